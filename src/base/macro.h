/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Compiler attributes, scope-bound cleanup and transfers of ownership. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/param.h> /* MIN, MAX */
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define _sentinel_ __attribute__((sentinel))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* The object of type T whose MEMBER is at PTR. */
#define container_of(ptr, T, member) ((T*) ((char*) (ptr) - offsetof(T, member)))

/* Zeroed memory for N objects of type T, or NULL. */
#define new0(T, n) ((T*) calloc((n), sizeof(T)))

/* Hand over what a variable owns and leave it empty. */
#define TAKE_PTR(p)                             \
        ({                                      \
                __typeof__(p) *_p_ = &(p);      \
                __typeof__(p) _taken_ = *_p_;   \
                *_p_ = NULL;                    \
                _taken_;                        \
        })
#define TAKE_FD(fd)                             \
        ({                                      \
                int *_fd_ = &(fd);              \
                int _taken_ = *_fd_;            \
                *_fd_ = -1;                     \
                _taken_;                        \
        })

/* Exchanges two variables of one type. */
#define SWAP(a, b)                              \
        ({                                      \
                __typeof__(a) _a_ = (a);        \
                (a) = (b);                      \
                (b) = _a_;                      \
        })

/* Closes FD unless it is negative; keeps errno. Returns -1, to be assigned. */
int safe_close(int fd);

static inline void freep(void *p) {
        free(*(void**) p);
}

static inline void closep(int *fd) {
        safe_close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

/* Defines FUNCp() for _cleanup_(): calls FUNC on what the variable points to, unless it is NULL. */
#define DEFINE_CLEANUP(T, func)                         \
        static inline void func##p(T *p) {              \
                if (*p)                                 \
                        func(*p);                       \
        }                                               \
        struct func##_semicolon
