/*
 * A frame on the FS:[0] chain handles a write to address 0 and then a division by zero, and resumes behind each of the
 * faulting instructions. Exit code 0.
 */
#include "native.h"

typedef struct {
    NTSTATUS ExceptionCode;
    uint32_t ExceptionFlags;
    void *ExceptionRecord, *ExceptionAddress;
    uint32_t NumberParameters, ExceptionInformation[15];
} EXCEPTION_RECORD;

/* Of the x86 CONTEXT only the instruction pointer is of interest here. */
typedef struct {
    uint8_t Before[0xB8];
    uint32_t Eip;
} CONTEXT;

struct frame {
    struct frame *previous;
    int (*handler)(EXCEPTION_RECORD *, struct frame *, CONTEXT *, void *);
};

enum { ExceptionContinueExecution, ExceptionContinueSearch };

/* Where the next fault is to resume. */
static uint32_t resume_address;

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

static int on_exception(EXCEPTION_RECORD *record, struct frame *frame, CONTEXT *context, void *dispatcher)
{
    (void)frame;
    (void)dispatcher;
    say("caught 0x%x\n", record->ExceptionCode);
    context->Eip = resume_address;
    return ExceptionContinueExecution;
}

NTSTATUS NTAPI start(PEB *peb)
{
    struct frame frame = {NULL, on_exception};
    (void)peb;
    __asm__ volatile("movl %%fs:0, %0" : "=r"(frame.previous));
    __asm__ volatile("movl %0, %%fs:0" : : "r"(&frame) : "memory");
    write_to_null();
    divide_by_zero();
    __asm__ volatile("movl %0, %%fs:0" : : "r"(frame.previous) : "memory");
    say("both resumed\n");
    return 0;
}
