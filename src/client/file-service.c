/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/file-service.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/str.h"
#include "client/file-answer.h"
#include "client/mime.h"
#include "net/http-service.h"

#define FOLDERS_MAX 1000 /* that were ever served; one of them is a path */

struct FileService {
        Worker *worker;    /* borrowed */
        HttpService *http; /* owned; NULL before the first connection, and once closed */
        MimeTypes *types;  /* owned */
        char **folders;    /* owned: connections point to them */
        size_t n_folders;
        bool is_closed;
};

/* A connection on its way to the service's thread. */
typedef struct Arrival {
        Mail mail;
        FileService *service; /* borrowed */
        int fd;               /* owned */
        char *path;           /* owned */
} Arrival;

static void arrival_free(Arrival *a) {
        safe_close(a->fd);
        free(a->path);
        free(a);
}

static void on_file_request(HttpExchange *x, const HttpRequest *r, void *userdata) {
        const FileService *f = userdata;

        file_answer(x, r, r->context, f->types);
}

static int file_service_open(FileService *f) {
        if (!f->types)
                f->types = mime_types_new();
        if (!f->types)
                return -ENOMEM;
        return f->http ? 0 : http_service_new_inner(&f->http, f->worker, on_file_request, f);
}

/* The same path is the same pointer. */
static int file_service_find_folder(FileService *f, const char *path, const char **ret) {
        char **folders;

        for (size_t i = 0; i < f->n_folders; i++)
                if (streq(f->folders[i], path)) {
                        *ret = f->folders[i];
                        return 0;
                }
        if (f->n_folders == FOLDERS_MAX)
                return -ENOBUFS;
        folders = reallocarray(f->folders, f->n_folders + 1, sizeof(char *));
        if (!folders)
                return -ENOMEM;
        f->folders = folders;
        folders[f->n_folders] = strdup(path);
        if (!folders[f->n_folders])
                return -ENOMEM;
        *ret = folders[f->n_folders++];
        return 0;
}

static void on_arrival(Worker *w _unused_, Mail *mail) {
        Arrival *a = container_of(mail, Arrival, mail);
        FileService *f = a->service;
        const char *folder = NULL;
        int r = f->is_closed ? -ESHUTDOWN : file_service_open(f);

        if (r >= 0)
                r = file_service_find_folder(f, a->path, &folder);
        if (r >= 0)
                r = http_service_add(f->http, TAKE_FD(a->fd), folder);
        if (r < 0 && !f->is_closed)
                log_warning("Can't serve files of %s to a visitor: %s, ignoring", a->path, strerror(-r));
        arrival_free(a);
}

int file_service_new(FileService **ret, Worker *w) {
        FileService *f = new0(FileService, 1);

        if (!f)
                return -ENOMEM;
        f->worker = w;
        *ret = f;
        return 0;
}

int file_service_connect(FileService *f, const char *path, int *ret_fd) {
        Arrival *a = new0(Arrival, 1);
        int fds[2];

        if (!a)
                return -ENOMEM;
        *a = (Arrival) { .service = f, .fd = -1, .path = strdup(path) };
        if (!a->path || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
                int r = a->path ? -errno : -ENOMEM;

                arrival_free(a);
                return r;
        }
        a->fd = fds[0];
        *ret_fd = fds[1];
        worker_post(f->worker, &a->mail, on_arrival);
        return 0;
}

void file_service_close(FileService *f) {
        f->is_closed = true;
        f->http = http_service_free(f->http);
}

FileService *file_service_free(FileService *f) {
        if (!f)
                return NULL;
        for (size_t i = 0; i < f->n_folders; i++)
                free(f->folders[i]);
        free(f->folders);
        mime_types_free(f->types);
        free(f);
        return NULL;
}
