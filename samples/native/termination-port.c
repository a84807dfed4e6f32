/*
 * A server is told of the death of its client. The client connects to a named port, registers it as a termination port,
 * sends a datagram and a request, and returns from its thread. The server hears all of that in order, and last of all
 * that the client has died, without the client having said so. Exit code 0.
 */
#include "port.h"

static NTSTATUS NTAPI client(void *argument)
{
    MESSAGE message = {0}, reply;
    HANDLE port;
    (void)argument;
    require(NtConnectPort(&port, &port_name, &impersonation, NULL, NULL, NULL, NULL, NULL), "NtConnectPort");
    require(NtRegisterThreadTerminatePort(port), "NtRegisterThreadTerminatePort");
    put_text(&message, "here I am");
    require(NtRequestPort(port, &message.Header), "NtRequestPort");
    put_text(&message, "what is the answer?");
    require(NtRequestWaitReplyPort(port, &message.Header, &reply.Header), "NtRequestWaitReplyPort");
    say("client: the reply is \"%s\"\n", reply.Text);
    return 7;
}

/* Receives until the client has died. */
static void serve(HANDLE port, HANDLE client_thread_id)
{
    MESSAGE message, reply;
    PORT_MESSAGE *to_send = NULL;
    void *context;
    do {
        require(NtReplyWaitReceivePort(port, &context, to_send, &message.Header), "NtReplyWaitReceivePort");
        to_send = NULL;
        if (message.Header.UniqueThread != client_thread_id)
            say("server: a message of somebody else\n");
        if (message.Header.Type == LPC_DATAGRAM)
            say("server: datagram \"%s\", context %u\n", message.Text, (uint32_t)context);
        if (message.Header.Type == LPC_REQUEST) {
            say("server: request \"%s\"\n", message.Text);
            reply.Header = message.Header;
            put_text(&reply, "forty-two");
            to_send = &reply.Header;
        }
    } while (message.Header.Type != LPC_CLIENT_DIED);
    say("server: LPC_CLIENT_DIED, %u bytes\n", message.Header.DataLength);
}

NTSTATUS NTAPI start(PEB *peb)
{
    MESSAGE request;
    HANDLE port, connection, thread;
    (void)peb;
    name_thread(CURRENT_THREAD, L"server");
    port = create_named_port();
    thread = start_thread(client, NULL, 0, L"client");
    require(NtListenPort(port, &request.Header), "NtListenPort");
    say("server: a client connects\n");
    request.Header.DataLength = 0;
    request.Header.TotalLength = sizeof request.Header;
    require(NtAcceptConnectPort(&connection, (void *)5, &request.Header, 1, NULL, NULL), "NtAcceptConnectPort");
    require(NtCompleteConnectPort(connection), "NtCompleteConnectPort");
    serve(port, request.Header.UniqueThread);
    say("server: the client ended with %u\n", exit_status_of(thread));
    return 0;
}
