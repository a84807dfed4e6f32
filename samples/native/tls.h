/*
 * A TLS directory with one callback, which the loader calls with the same reasons as a DLL's entry point. The linker finds
 * the directory by its name.
 */
#ifndef RUNDOWN_SAMPLE_TLS_H
#define RUNDOWN_SAMPLE_TLS_H

#include "native.h"

typedef void(NTAPI *TLS_CALLBACK)(void *module, uint32_t reason, void *reserved);

static void NTAPI on_detach(void *module, uint32_t reason, void *reserved);

static uint32_t tls_template, tls_index;
static const TLS_CALLBACK tls_callbacks[] = {on_detach, NULL};

const struct {
    const void *StartAddressOfRawData, *EndAddressOfRawData;
    uint32_t *AddressOfIndex;
    const TLS_CALLBACK *AddressOfCallBacks;
    uint32_t SizeOfZeroFill, Characteristics;
} _tls_used = {&tls_template, &tls_template + 1, &tls_index, tls_callbacks, 0, 0};

#endif
