/*
 * What a program needs that talks to the NT system services directly and imports nothing but ntdll: our own declarations
 * of the few types and services that the samples use, and a line of output.
 *
 * The loader calls `start` with the address of the PEB; its result is the exit code of the first thread.
 */
#ifndef RUNDOWN_SAMPLE_NATIVE_H
#define RUNDOWN_SAMPLE_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include "../format.h"

#define NTAPI __attribute__((stdcall))
#define SERVICE __attribute__((dllimport)) NTSTATUS NTAPI
#define ROUTINE __attribute__((dllimport)) void NTAPI

typedef uint32_t NTSTATUS;
typedef void *HANDLE;
typedef int64_t LARGE_INTEGER;

typedef struct {
    uint16_t Length, MaximumLength;
    const wchar_t *Buffer;
} UNICODE_STRING;

typedef struct {
    NTSTATUS Status;
    uint32_t Information;
} IO_STATUS_BLOCK;

typedef struct {
    NTSTATUS ExitStatus;
    void *TebBaseAddress;
    HANDLE UniqueProcess, UniqueThread;
    uint32_t AffinityMask;
    int32_t Priority, BasePriority;
} THREAD_BASIC_INFORMATION;

/* Only the head of each of these two, up to what the samples read. */
typedef struct {
    uint32_t MaximumLength, Length, Flags, DebugFlags;
    HANDLE ConsoleHandle;
    uint32_t ConsoleFlags;
    HANDLE StandardInput, StandardOutput, StandardError;
    struct {
        UNICODE_STRING DosPath;
        HANDLE Handle;
    } CurrentDirectory;
    UNICODE_STRING DllPath, ImagePathName, CommandLine;
} PROCESS_PARAMETERS;

typedef struct {
    uint8_t Flags[4];
    HANDLE Mutant;
    void *ImageBaseAddress, *Ldr;
    PROCESS_PARAMETERS *ProcessParameters;
} PEB;

/* As large as a critical section of 32-bit Windows; what is inside is ntdll's business. */
typedef struct {
    uint32_t Opaque[6];
} CRITICAL_SECTION;

typedef NTSTATUS(NTAPI *THREAD_ROUTINE)(void *argument);
typedef void(NTAPI *APC_ROUTINE)(void *argument1, void *argument2, void *argument3);

#define CURRENT_PROCESS ((HANDLE)-1)
#define CURRENT_THREAD ((HANDLE)-2)

#define STATUS_SUCCESS 0x00000000u
#define STATUS_WAIT_0 0x00000000u
#define STATUS_ABANDONED_WAIT_0 0x00000080u
#define STATUS_USER_APC 0x000000C0u
#define STATUS_PENDING 0x00000103u

#define EVENT_ALL_ACCESS 0x1F0003u
#define MUTANT_ALL_ACCESS 0x1F0001u
#define THREAD_ALL_ACCESS 0x1FFFFFu
#define DUPLICATE_SAME_ACCESS 2u
#define THREAD_CREATE_FLAGS_CREATE_SUSPENDED 1u
#define MEM_COMMIT 0x1000u
#define MEM_RESERVE 0x2000u
#define PAGE_READWRITE 4u

enum { NotificationEvent, SynchronizationEvent };
enum { WaitAll, WaitAny };
enum { ThreadBasicInformation = 0, ThreadNameInformation = 38 };
enum { DLL_PROCESS_DETACH, DLL_PROCESS_ATTACH, DLL_THREAD_ATTACH, DLL_THREAD_DETACH };

SERVICE NtAllocateVirtualMemory(HANDLE process, void **base, uint32_t zero_bits, uint32_t *size, uint32_t type, uint32_t protect);
SERVICE NtClose(HANDLE handle);
SERVICE NtCreateEvent(HANDLE *event, uint32_t access, void *attributes, uint32_t type, uint32_t initial_state);
SERVICE NtCreateMutant(HANDLE *mutant, uint32_t access, void *attributes, uint32_t initial_owner);
SERVICE NtCreateThreadEx(HANDLE *thread, uint32_t access, void *attributes, HANDLE process, THREAD_ROUTINE start, void *argument,
                         uint32_t flags, uint32_t zero_bits, uint32_t stack_size, uint32_t maximum_stack_size, void *list);
SERVICE NtDelayExecution(uint32_t alertable, const LARGE_INTEGER *interval);
SERVICE NtDuplicateObject(HANDLE from_process, HANDLE from, HANDLE to_process, HANDLE *to, uint32_t access, uint32_t attributes,
                          uint32_t options);
SERVICE NtQueryInformationThread(HANDLE thread, uint32_t class, void *buffer, uint32_t size, uint32_t *returned);
SERVICE NtQuerySystemTime(LARGE_INTEGER *time);
SERVICE NtQueueApcThread(HANDLE thread, APC_ROUTINE routine, void *argument1, void *argument2, void *argument3);
SERVICE NtReleaseMutant(HANDLE mutant, int32_t *previous_count);
SERVICE NtSetEvent(HANDLE event, int32_t *previous_state);
SERVICE NtSetInformationThread(HANDLE thread, uint32_t class, const void *buffer, uint32_t size);
SERVICE NtSuspendThread(HANDLE thread, uint32_t *previous_count);
SERVICE NtTerminateProcess(HANDLE process, NTSTATUS status);
SERVICE NtTerminateThread(HANDLE thread, NTSTATUS status);
SERVICE NtWaitForMultipleObjects(uint32_t count, const HANDLE *handles, uint32_t type, uint32_t alertable, const LARGE_INTEGER *timeout);
SERVICE NtWaitForSingleObject(HANDLE handle, uint32_t alertable, const LARGE_INTEGER *timeout);
SERVICE NtWriteFile(HANDLE file, HANDLE event, void *apc, void *apc_context, IO_STATUS_BLOCK *block, const void *buffer, uint32_t length,
                    const LARGE_INTEGER *offset, const uint32_t *key);
SERVICE NtYieldExecution(void);

SERVICE RtlInitializeCriticalSection(CRITICAL_SECTION *section);
SERVICE RtlEnterCriticalSection(CRITICAL_SECTION *section);
SERVICE RtlLeaveCriticalSection(CRITICAL_SECTION *section);
ROUTINE RtlExitUserThread(NTSTATUS status) __attribute__((noreturn));
ROUTINE RtlExitUserProcess(NTSTATUS status) __attribute__((noreturn));

/* The entry point of every sample here. */
NTSTATUS NTAPI start(PEB *peb);

/* The TEB is at FS:0, and holds the address of the PEB at 0x30. */
static inline PEB *current_peb(void)
{
    PEB *peb;
    __asm__("movl %%fs:0x30, %0" : "=r"(peb));
    return peb;
}

/* Writes formatted text to standard output. */
static void say(const char *format, ...)
{
    HANDLE output = current_peb()->ProcessParameters->StandardOutput;
    struct text_buffer text;
    IO_STATUS_BLOCK block;
    va_list arguments;
    text.length = 0;
    va_start(arguments, format);
    put_format(&text, format, arguments);
    va_end(arguments);
    if (NtWriteFile(output, NULL, NULL, NULL, &block, text.bytes, text.length, NULL, NULL) == STATUS_PENDING)
        NtWaitForSingleObject(output, 0, NULL);
}

/* Ends the process with a code that no sample expects, unless `status` is that of a success. */
static inline void require(NTSTATUS status, const char *what)
{
    if (status < 0x80000000u)
        return;
    say("failed: %s, status 0x%x\n", what, status);
    RtlExitUserProcess(99);
}

/* Names a thread where the kernel knows how to (Windows 10 and later), for debuggers and reports. */
static inline void name_thread(HANDLE thread, const wchar_t *name)
{
    UNICODE_STRING string = {0, 0, name};
    while (name[string.Length / sizeof *name] != 0)
        string.Length += sizeof *name;
    string.MaximumLength = string.Length;
    NtSetInformationThread(thread, ThreadNameInformation, &string, sizeof string);
}

static inline HANDLE start_thread(THREAD_ROUTINE routine, void *argument, uint32_t flags, const wchar_t *name)
{
    HANDLE thread = NULL;
    NTSTATUS status = NtCreateThreadEx(&thread, THREAD_ALL_ACCESS, NULL, CURRENT_PROCESS, routine, argument, flags, 0, 0, 0, NULL);
    require(status, "NtCreateThreadEx");
    name_thread(thread, name);
    return thread;
}

/* Waits for a thread to end and answers with its exit status. */
static inline NTSTATUS exit_status_of(HANDLE thread)
{
    THREAD_BASIC_INFORMATION basic;
    require(NtWaitForSingleObject(thread, 0, NULL), "wait for a thread");
    require(NtQueryInformationThread(thread, ThreadBasicInformation, &basic, sizeof basic, NULL), "query a thread");
    return basic.ExitStatus;
}

static inline HANDLE create_event(void)
{
    HANDLE event = NULL;
    require(NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, 0), "NtCreateEvent");
    return event;
}

static inline HANDLE create_mutant(void)
{
    HANDLE mutant = NULL;
    require(NtCreateMutant(&mutant, MUTANT_ALL_ACCESS, NULL, 0), "NtCreateMutant");
    return mutant;
}

/* A time to wait from now on, as the services take it: negative, in units of 100 ns. */
static inline LARGE_INTEGER milliseconds(int32_t count)
{
    return (LARGE_INTEGER)count * -10000;
}

#endif
