/*
 * The three ways in which a 32-bit program handles a fault, one after the other: a frame on the FS:[0] chain, a vectored
 * handler, and the filter for what nobody else handled. Each resumes behind the faulting instruction. Exit code 0.
 */
#include "sample.h"
#include <intrin.h>

struct frame {
    struct frame *previous;
    EXCEPTION_DISPOSITION(*handler)(EXCEPTION_RECORD *, struct frame *, CONTEXT *, void *);
};

/* Where the next fault is to resume. */
static DWORD resume_address;

static __attribute__((noinline)) void write_to_null(void)
{
    __asm__ volatile("movl $1f, %0\n\tmovl $1, 0\n1:" : "=m"(resume_address) : : "memory");
}

static __attribute__((noinline)) void divide_by_zero(void)
{
    __asm__ volatile("movl $1f, %0\n\txorl %%edx, %%edx\n\txorl %%ecx, %%ecx\n\tdivl %%ecx\n1:"
                     : "=m"(resume_address)
                     :
                     : "eax", "ecx", "edx", "cc", "memory");
}

static EXCEPTION_DISPOSITION on_frame(EXCEPTION_RECORD *record, struct frame *frame, CONTEXT *context, void *dispatcher)
{
    (void)frame;
    (void)dispatcher;
    say("frame handler: 0x%x at address %u\n", (unsigned)record->ExceptionCode, (unsigned)record->ExceptionInformation[1]);
    context->Eip = resume_address;
    return ExceptionContinueExecution;
}

static LONG WINAPI on_vector(EXCEPTION_POINTERS *exception)
{
    say("vectored handler: 0x%x\n", (unsigned)exception->ExceptionRecord->ExceptionCode);
    exception->ContextRecord->Eip = resume_address;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static LONG WINAPI on_unhandled(EXCEPTION_POINTERS *exception)
{
    say("unhandled filter: 0x%x\n", (unsigned)exception->ExceptionRecord->ExceptionCode);
    exception->ContextRecord->Eip = resume_address;
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(void)
{
    struct frame frame = {(struct frame *)__readfsdword(0), on_frame};
    __writefsdword(0, (DWORD)&frame);
    write_to_null();
    __writefsdword(0, (DWORD)frame.previous);

    void *vector = AddVectoredExceptionHandler(1, on_vector);
    divide_by_zero();
    RemoveVectoredExceptionHandler(vector);

    SetUnhandledExceptionFilter(on_unhandled);
    write_to_null();
    say("all three resumed\n");
    return 0;
}
