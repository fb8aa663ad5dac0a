/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/token.h"

#include <errno.h>
#include <fcntl.h>

#include "base/str.h"

const char *token_check(const char *value) {
        size_t n = strlen(value);

        return n > 0 && n <= TOKEN_BYTES_MAX && !strpbrk(value, " \t\r\n") ? NULL
                                                                           : "is not a token: one word";
}

static int refuse(const char *file, const char *why, char **ret_why) {
        *ret_why = str_format("can't read the token file %s: %s", file, why);
        return *ret_why ? -EINVAL : -ENOMEM;
}

int token_read(const char *file, char **token, char **ret_why) {
        _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        char text[TOKEN_BYTES_MAX + 3] = "", *word; /* and a line's end */
        ssize_t k = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (k < 0)
                return refuse(file, strerror(errno), ret_why);
        word = str_trim(text);
        if (token_check(word))
                return refuse(file, "one word is expected in it", ret_why);
        return str_replace(token, word);
}
