/*
 * Commits and touches memory, a megabyte at a time, until the kernel refuses. How much that is, and with which status, depends
 * on the machine; to be refused in good order, and to be able to go on, does not. Exit code 0.
 */
#include "native.h"

#define PAGE_BYTES 4096u

NTSTATUS NTAPI start(PEB *peb)
{
    uint32_t blocks = 0;
    (void)peb;
    for (;;) {
        void *base = NULL;
        uint32_t size = 1024 * 1024;
        NTSTATUS status = NtAllocateVirtualMemory(CURRENT_PROCESS, &base, 0, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if (status != STATUS_SUCCESS) {
            say("refused after %u MB with 0x%x\n", blocks, status);
            return 0;
        }
        for (uint32_t offset = 0; offset < size; offset += PAGE_BYTES)
            ((volatile uint8_t *)base)[offset] = 1;
        blocks++;
    }
}
