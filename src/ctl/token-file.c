/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/token-file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/str.h"

#define TOKEN_FILE_GROUP "pgrok"
#define BLANKS " \t\r"

typedef struct TokenFile {
        char *path;      /* owned; not a link */
        char *temporary; /* owned: beside it */
        int fd;          /* owned: the temporary, locked; -1 once it is the file */
        char *text;      /* owned */
        size_t n;
        uid_t uid;
        gid_t gid;
        mode_t mode;
} TokenFile;

bool token_name_is_valid(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-");

        return n > 0 && n <= TOKEN_NAME_MAX && name[n] == '\0';
}

bool token_setting_is_valid(const char *setting) {
        size_t n = strspn(setting, "abcdefghijklmnopqrstuvwxyz_");
        const char *value = setting + n + 1;

        if (n == 0 || setting[n] != '=' || *value == '\0')
                return false;
        for (; *value; value++)
                if (*value <= ' ' || *value > '~' || *value == '#')
                        return false;
        return true;
}

static void token_file_done(TokenFile *f) {
        if (f->fd >= 0)
                (void) unlink(f->temporary);
        safe_close(f->fd);
        free(f->path);
        free(f->temporary);
        free(f->text);
}

/* ---- the lock ---- */

static bool file_is_at(int fd, const char *path) {
        struct stat ours, there;

        return fstat(fd, &ours) >= 0 && lstat(path, &there) >= 0 && ours.st_dev == there.st_dev &&
               ours.st_ino == there.st_ino;
}

/* The temporary file is the lock, because nobody else may open it: whoever may read a folder can lock that
 * for ever. What an interrupted writer has left is taken over. */
static int token_file_lock(TokenFile *f) {
        for (;;) {
                _cleanup_close_ int fd = open(f->temporary, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

                if (fd < 0 || flock(fd, LOCK_EX) < 0)
                        return -errno;
                if (file_is_at(fd, f->temporary)) { /* else it has become the file meanwhile, or is gone */
                        f->fd = TAKE_FD(fd);
                        return 0;
                }
        }
}

/* ---- reading ---- */

static int token_file_read(TokenFile *f) {
        _cleanup_fclose_ FILE *file = fopen(f->path, "re");
        struct stat st;

        if (!file || fstat(fileno(file), &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > TOKEN_FILE_BYTES_MAX)
                return -EFBIG;
        f->uid = st.st_uid;
        f->gid = st.st_gid;
        f->mode = st.st_mode & 07777;
        f->text = malloc((size_t) st.st_size + 1);
        if (!f->text)
                return -ENOMEM;
        f->n = fread(f->text, 1, (size_t) st.st_size, file);
        return ferror(file) ? -EIO : 0;
}

static void token_file_init(TokenFile *f) {
        struct group *group = getgrnam(TOKEN_FILE_GROUP);

        f->uid = geteuid();
        f->gid = geteuid() == 0 && group ? group->gr_gid : getegid();
        f->mode = 0640;
}

/* To be done in any case. */
static int token_file_open(TokenFile *ret, const char *path) {
        int r;

        *ret = (TokenFile) { .path = realpath(path, NULL), .fd = -1 };
        if (!ret->path && errno == ENOENT)
                ret->path = strdup(path);
        ret->temporary = ret->path ? str_format("%s.new", ret->path) : NULL;
        if (!ret->temporary)
                return -errno;
        r = token_file_lock(ret);
        if (r < 0)
                return r;
        token_file_init(ret);
        r = token_file_read(ret);
        return r == -ENOENT ? 0 : r;
}

/* The length of the line at I, with its end. */
static size_t line_length(const TokenFile *f, size_t i) {
        const char *end = memchr(f->text + i, '\n', f->n - i);

        return end ? (size_t) (end - f->text) - i + 1 : f->n - i;
}

static bool line_is_of(const char *line, size_t n, const char *name) {
        size_t length = strlen(name), i = 0;

        while (i < n && strchr(BLANKS, line[i]) && line[i])
                i++;
        return n - i > length && memcmp(line + i, name, length) == 0 && line[i + length] &&
               strchr(BLANKS "\n", line[i + length]);
}

/* Returns where NAME's line begins, or -ENOENT. */
static ssize_t find_line(const TokenFile *f, const char *name) {
        for (size_t i = 0; i < f->n; i += line_length(f, i))
                if (line_is_of(f->text + i, line_length(f, i), name))
                        return (ssize_t) i;
        return -ENOENT;
}

/* ---- writing ---- */

static int write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, data, n);

                if (k < 0)
                        return -errno;
                data += k;
                n -= (size_t) k;
        }
        return 0;
}

/* With the owner and the mode of the old one before a byte is in it. */
static int write_temporary(const TokenFile *f) {
        int r;

        if (ftruncate(f->fd, 0) < 0 || fchown(f->fd, f->uid, f->gid) < 0 || fchmod(f->fd, f->mode) < 0)
                return -errno;
        r = write_all(f->fd, f->text, f->n);
        if (r < 0)
                return r;
        return fsync(f->fd) < 0 ? -errno : 0;
}

static void sync_folder(const TokenFile *f) {
        _cleanup_free_ char *copy = strdup(f->path);
        _cleanup_close_ int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd >= 0)
                (void) fsync(fd);
}

static int token_file_write(TokenFile *f) {
        int r = write_temporary(f);

        if (r < 0)
                return r;
        if (rename(f->temporary, f->path) < 0)
                return -errno;
        f->fd = safe_close(f->fd);
        sync_folder(f);
        return 0;
}

static int append_line(TokenFile *f, const char *line) {
        bool is_open = f->n > 0 && f->text[f->n - 1] != '\n'; /* the last line lacks its end */
        char *text = str_format("%.*s%s%s\n", (int) f->n, f->n > 0 ? f->text : "", is_open ? "\n" : "", line);

        if (!text)
                return -ENOMEM;
        free(f->text);
        f->text = text;
        f->n = strlen(text);
        return 0;
}

int token_file_add(const char *path, const char *name, const char *line) {
        TokenFile f;
        int r = token_file_open(&f, path);

        if (r >= 0 && f.n > 0 && memchr(f.text, '\0', f.n))
                r = -EINVAL;
        if (r >= 0)
                r = find_line(&f, name) >= 0 ? -EEXIST : append_line(&f, line);
        if (r >= 0)
                r = token_file_write(&f);
        token_file_done(&f);
        return r;
}

int token_file_remove(const char *path, const char *name) {
        TokenFile f;
        ssize_t i = token_file_open(&f, path);

        if (i >= 0)
                i = find_line(&f, name);
        if (i >= 0) {
                size_t n = line_length(&f, (size_t) i);

                memmove(f.text + i, f.text + i + n, f.n - n - (size_t) i);
                f.n -= n;
                i = token_file_write(&f);
        }
        token_file_done(&f);
        return (int) i;
}

/* ---- listing ---- */

/* "NAME KEY=VALUE…" of a line, which is cut up; NULL for a comment. Owned by the caller. */
static int list_line(char *line, ConfigList *ret) {
        char *save = NULL, *name, *rest;

        line[strcspn(line, "#\n")] = '\0';
        name = strtok_r(line, BLANKS, &save);
        if (!name)
                return 0;
        (void) strtok_r(NULL, BLANKS, &save); /* the hash */
        rest = strtok_r(NULL, "", &save);
        return config_list_take(ret, str_format("%s %s", name, rest ? str_trim(rest) : ""));
}

int token_file_list(const char *path, ConfigList *ret) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ char *line = NULL;
        size_t n = 0;
        int r = 0;

        if (!f)
                return -errno;
        while (r >= 0 && getline(&line, &n, f) >= 0)
                r = list_line(line, ret);
        return r;
}
