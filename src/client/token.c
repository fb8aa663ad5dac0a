/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/token.h"

#include <errno.h>

#include "base/files.h"
#include "base/str.h"

const char *token_check(const char *value) {
        size_t n = strlen(value);

        return n > 0 && n <= TOKEN_BYTES_MAX && !strpbrk(value, " \t\r\n") ? NULL
                                                                           : "is not a token: one word";
}

int token_read(const char *file, char **token, char **ret_why) {
        int r = files_read_word(file, TOKEN_BYTES_MAX, token);

        if (r >= 0 || r == -ENOMEM)
                return r;
        *ret_why = str_format("can't read the token file %s: %s%s", file,
                              r == -EINVAL ? "one word is expected in it" : strerror(-r),
                              r == -ENOENT ? "; `pgrok login' writes one" : "");
        return *ret_why ? -EINVAL : -ENOMEM;
}
