/*
 * What is too large for a message: the client shares a section with the server, and the server one with the client; and
 * a request offers memory of the client's, which the server reads and writes. Client and server are two threads of one
 * process, so the views lie beside one another. Exit code 0.
 */
#include "port.h"

typedef struct {
    uint32_t Length;
    HANDLE SectionHandle;
    uint32_t SectionOffset, ViewSize;
    char *ViewBase, *ViewRemoteBase;
} PORT_VIEW;

typedef struct {
    uint32_t Length, ViewSize;
    char *ViewBase;
} REMOTE_PORT_VIEW;

/* A request whose data is one range of memory. */
typedef struct {
    PORT_MESSAGE Header;
    uint32_t CountDataEntries;
    struct {
        char *Base;
        uint32_t Size;
    } Entry;
    char Room[16];
} DATA_MESSAGE;

SERVICE NtCreateSection(HANDLE *section, uint32_t access, const OBJECT_ATTRIBUTES *attributes, const LARGE_INTEGER *size,
                        uint32_t protect, uint32_t kind, HANDLE file);
SERVICE NtReplyPort(HANDLE port, PORT_MESSAGE *reply);
SERVICE NtReadRequestData(HANDLE port, PORT_MESSAGE *message, uint32_t index, void *buffer, uint32_t size, uint32_t *copied);
SERVICE NtWriteRequestData(HANDLE port, PORT_MESSAGE *message, uint32_t index, const void *buffer, uint32_t size, uint32_t *copied);

static HANDLE create_section(void)
{
    LARGE_INTEGER size = 0x3000;
    HANDLE section = NULL;
    require(NtCreateSection(&section, 0xF001Fu, NULL, &size, PAGE_READWRITE, 0x8000000u, NULL), "NtCreateSection");
    return section;
}

static NTSTATUS NTAPI client(void *argument)
{
    PORT_VIEW mine = {sizeof mine, create_section(), 0, 0x2000, NULL, NULL};
    REMOTE_PORT_VIEW theirs = {sizeof theirs, 0, NULL};
    char text[] = "small letters";
    DATA_MESSAGE request = {{sizeof request - sizeof request.Header - sizeof request.Room, sizeof request, 0, sizeof request.Header,
                             NULL, NULL, 0, 0}, 1, {text, 5}, {0}};
    MESSAGE reply;
    HANDLE port;
    uint32_t longest = 0;
    (void)argument;
    require(NtConnectPort(&port, &port_name, &impersonation, &mine, &theirs, &longest, NULL, NULL), "NtConnectPort");
    say("client: messages up to %u bytes, views of %u and %u bytes\n", longest, mine.ViewSize, theirs.ViewSize);
    mine.ViewBase[0x1FFF] = 'c';
    say("client: mine lies at two places: %u; I see what the server wrote: %u\n", mine.ViewBase != mine.ViewRemoteBase,
        theirs.ViewBase[0x2FFF] == 's');
    require(NtRequestWaitReplyPort(port, &request.Header, &reply.Header), "NtRequestWaitReplyPort");
    say("client: my memory says \"%s\"\n", text);
    return 0;
}

static void serve(HANDLE port, const char *client_view)
{
    DATA_MESSAGE request;
    char word[8] = {0};
    uint32_t copied = 0, index;
    void *context;
    require(NtReplyWaitReceivePort(port, &context, NULL, &request.Header), "NtReplyWaitReceivePort");
    say("server: I see what the client wrote: %u\n", client_view[0x1FFF] == 'c');
    require(NtReadRequestData(port, &request.Header, 0, word, sizeof word, &copied), "NtReadRequestData");
    say("server: %u bytes of the client's: \"%s\"\n", copied, word);
    for (index = 0; index < copied; index++)
        word[index] -= 'a' - 'A';
    require(NtWriteRequestData(port, &request.Header, 0, word, copied, &copied), "NtWriteRequestData");
    say("server: of another range: 0x%x\n", NtReadRequestData(port, &request.Header, 1, word, sizeof word, &copied));
    request.Header.DataInfoOffset = request.Header.DataLength = 0;
    require(NtReplyPort(port, &request.Header), "NtReplyPort");
    say("server: after the reply: 0x%x\n", NtReadRequestData(port, &request.Header, 0, word, sizeof word, &copied));
}

NTSTATUS NTAPI start(PEB *peb)
{
    HANDLE port = create_named_port(), connection, thread;
    PORT_VIEW mine = {sizeof mine, create_section(), 0, 0, NULL, NULL};
    REMOTE_PORT_VIEW theirs = {sizeof theirs, 0, NULL};
    MESSAGE request;
    (void)peb;
    name_thread(CURRENT_THREAD, L"server");
    thread = start_thread(client, NULL, 0, L"client");
    require(NtListenPort(port, &request.Header), "NtListenPort");
    say("server: a client shares %u bytes\n", request.Header.ClientViewSize);
    request.Header.TotalLength = sizeof request.Header;
    require(NtAcceptConnectPort(&connection, NULL, &request.Header, 1, &mine, &theirs), "NtAcceptConnectPort");
    mine.ViewBase[0x2FFF] = 's';
    require(NtCompleteConnectPort(connection), "NtCompleteConnectPort");
    serve(port, theirs.ViewBase);
    NtClose(connection);
    exit_status_of(thread);
    return 0;
}
