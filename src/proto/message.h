/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The nine messages of the classic protocol (ngrok 1.x, jerson/pgrok) and what pgrok adds, as
 * JSON `{"Type":"Auth","Payload":{…}}` inside frames. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define MESSAGE_PROTOCOL_VERSION "2"
#define MESSAGE_SESSIONS_MAX 64 /* of one client, at the same time */

typedef enum MessageType {
        MESSAGE_UNKNOWN, /* a Type that we don't know: ignored on a control connection */
        MESSAGE_AUTH,
        MESSAGE_AUTH_RESP,
        MESSAGE_REQ_TUNNEL,
        MESSAGE_NEW_TUNNEL,
        MESSAGE_REQ_PROXY,
        MESSAGE_REG_PROXY,
        MESSAGE_START_PROXY,
        MESSAGE_PING,
        MESSAGE_PONG,
        MESSAGE_TUNNEL_HEALTH, /* ours */
        MESSAGE_TYPE_MAX,
} MessageType;

/* A string field is owned by the message; NULL reads and is sent as "". */
typedef struct MessageAuth {
        char *version;    /* MESSAGE_PROTOCOL_VERSION */
        char *mm_version; /* of the program, informational */
        char *user;       /* the token */
        char *password;
        char *os;
        char *arch;
        char *client_id;  /* "" asks for a new one */
        char *instance;   /* ours: says which sessions are of one process */
        uint16_t session; /* ours: which of the client's sessions this is, from 0. Sent only when not 0 */
        bool half_close;  /* ours: an end of stream travels as close_notify. Sent only when true */
} MessageAuth;

typedef struct MessageAuthResp {
        char *version;
        char *mm_version;
        char *client_id;
        char *error;       /* not "": refused, the connection ends */
        char *user;        /* ours: who the client is. NULL, which is not sent: nobody in particular */
        uint16_t sessions; /* ours: how many a client may have. 0, which is not sent: one */
        bool half_close;
} MessageAuthResp;

typedef struct MessageReqTunnel {
        char *req_id;
        char *protocol; /* "http", "https", "tcp", or several joined by "+" */
        char *hostname;
        char *subdomain;
        char *http_auth; /* "user:password" */
        char *options;   /* ours: JSON, see TunnelOptions. Sent only when there are any */
        uint16_t remote_port;
} MessageReqTunnel;

typedef struct MessageNewTunnel {
        char *req_id;
        char *url;
        char *protocol;
        char *error;
        char *options; /* ours: those of the request that the server applies. Sent only when there are any */
} MessageNewTunnel;

/* Ours, from client to server: the service behind a tunnel fails, or no more. */
typedef struct MessageTunnelHealth {
        char *url;
        bool failing;
} MessageTunnelHealth;

typedef struct MessageRegProxy {
        char *client_id;
} MessageRegProxy;

typedef struct MessageStartProxy {
        char *url;
        char *client_addr; /* the visitor's "ip:port" */
        char *server_addr; /* ours: where it has connected. Sent only to those who want it */
} MessageStartProxy;

typedef struct Message {
        MessageType type;
        union {
                MessageAuth auth;
                MessageAuthResp auth_resp;
                MessageReqTunnel req_tunnel;
                MessageNewTunnel new_tunnel;
                MessageTunnelHealth tunnel_health;
                MessageRegProxy reg_proxy;
                MessageStartProxy start_proxy;
        };
} Message;

/* "Auth" and so on; "unknown". */
const char *message_type_to_string(MessageType type);

/* Frees the strings and zeroes *M. A zeroed Message is valid. */
void message_done(Message *m);
#define _cleanup_message_ _cleanup_(message_done)

/* A string field as a string: never NULL. */
static inline const char *message_str(const char *field) {
        return field ? field : "";
}

/* Decodes the N bytes of a frame's payload. Names of fields match in any letter case, missing or null
 * fields stay NULL, 0 or false, unknown ones are ignored, Payload may come before Type or be absent.
 * Returns 0 (also for an unknown Type), -EBADMSG for what is not such an object, trailing bytes, a value
 * of the wrong JSON type, a NUL in a string or a port out of range, or -ENOMEM; then *RET is untouched. */
int message_decode(const char *payload, size_t n, Message *ret);

/* Appends M as one frame to OUT. Returns 0, -ENOBUFS if it doesn't fit or is above FRAME_PAYLOAD_MAX, or
 * -ENOMEM; then OUT is untouched. */
int message_encode(const Message *m, Buffer *out);
