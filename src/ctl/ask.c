/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/ask.h"

#include <errno.h>

#include "base/files.h"
#include "base/str.h"

#define CONTROL_GROUP "pgrok-admin"

/* Without root it may be ours, or the system's one. */
static char *find_socket(const CtlOptions *o) {
        char *path;

        if (o->socket)
                return strdup(o->socket);
        path = files_control_socket("pgrokd");
        if (path && access(path, F_OK) == 0)
                return path;
        free(path);
        return strdup("/run/pgrokd/control.sock");
}

int ctl_ask(const CtlOptions *o, const char *method, const char *path, struct json_object *body,
            LocalReply *ret) {
        _cleanup_free_ char *socket = find_socket(o), *why = NULL;
        int r = socket ? local_request(socket, method, path, body, ret) : -ENOMEM;

        if (r < 0) {
                why = local_request_explain(r, socket ? socket : "", "pgrokd", CONTROL_GROUP);
                fprintf(stderr, "pgrokctl: %s\n", why ? why : strerror(-r));
                return -EIO;
        }
        if (ret->status == 200)
                return 0;
        fprintf(stderr, "pgrokctl: %s\n", json_object_get_string(json_object_object_get(ret->json, "error")));
        local_reply_done(ret);
        return -EIO;
}

int ctl_try(const CtlOptions *o, const char *path, LocalReply *ret) {
        _cleanup_free_ char *socket = find_socket(o);
        int r = socket ? local_request(socket, "GET", path, NULL, ret) : -ENOMEM;

        if (r < 0 || ret->status == 200)
                return r;
        local_reply_done(ret);
        return -EIO;
}
