/* Local procedure calls: the declarations and helpers that the samples with ports share. */
#ifndef RUNDOWN_SAMPLE_PORT_H
#define RUNDOWN_SAMPLE_PORT_H

#include "native.h"

typedef struct {
    uint16_t DataLength, TotalLength, Type, DataInfoOffset;
    HANDLE UniqueProcess, UniqueThread;
    uint32_t MessageId, ClientViewSize;
} PORT_MESSAGE;

typedef struct {
    PORT_MESSAGE Header;
    char Text[40];
} MESSAGE;

typedef struct {
    uint32_t Length, ImpersonationLevel;
    uint8_t ContextTrackingMode, EffectiveOnly;
} SECURITY_QUALITY_OF_SERVICE;

typedef struct {
    uint32_t Length;
    HANDLE RootDirectory;
    const UNICODE_STRING *ObjectName;
    uint32_t Attributes;
    void *SecurityDescriptor, *SecurityQualityOfService;
} OBJECT_ATTRIBUTES;

enum { LPC_REQUEST = 1, LPC_DATAGRAM = 3, LPC_CLIENT_DIED = 6 };
enum { SecurityImpersonation = 2 };

SERVICE NtCreatePort(HANDLE *port, const OBJECT_ATTRIBUTES *attributes, uint32_t information, uint32_t message, uint32_t pool);
SERVICE NtConnectPort(HANDLE *port, const UNICODE_STRING *name, const SECURITY_QUALITY_OF_SERVICE *quality, void *client_view,
                      void *server_view, uint32_t *message, void *information, uint32_t *information_length);
SERVICE NtListenPort(HANDLE port, PORT_MESSAGE *request);
SERVICE NtAcceptConnectPort(HANDLE *port, void *context, PORT_MESSAGE *reply, uint32_t accept, void *server_view, void *client_view);
SERVICE NtCompleteConnectPort(HANDLE port);
SERVICE NtRequestPort(HANDLE port, PORT_MESSAGE *message);
SERVICE NtRequestWaitReplyPort(HANDLE port, PORT_MESSAGE *request, PORT_MESSAGE *reply);
SERVICE NtReplyWaitReceivePort(HANDLE port, void **context, PORT_MESSAGE *reply, PORT_MESSAGE *message);
SERVICE NtRegisterThreadTerminatePort(HANDLE port);

static const wchar_t name_text[] = L"\\BaseNamedObjects\\SamplePort";
static const UNICODE_STRING port_name = {sizeof name_text - 2, sizeof name_text, name_text};
static const SECURITY_QUALITY_OF_SERVICE impersonation = {sizeof impersonation, SecurityImpersonation, 1, 0};

/* Fills in a message that says `text`. */
static inline void put_text(MESSAGE *message, const char *text)
{
    uint16_t length = 0;
    while ((message->Text[length] = text[length]) != 0)
        length++;
    message->Header.DataLength = length + 1;
    message->Header.TotalLength = sizeof message->Header + length + 1;
}

static inline HANDLE create_named_port(void)
{
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &port_name, 0x40, NULL, NULL};
    HANDLE port = NULL;
    require(NtCreatePort(&port, &attributes, 0, sizeof(MESSAGE), 0), "NtCreatePort");
    return port;
}

#endif
