/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target once on each file given, or on each file of the folders given; without arguments on
 * those of $FUZZ_CORPUS/NAME when the program is called fuzz-NAME. Speaks TAP. A fault ends the process. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "base/str.h"

/* Returns 0 or a negative errno. */
static int replay_file(const char *path, unsigned *n_done) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ uint8_t *data = NULL;
        struct stat st;
        size_t n;

        if (!f || fstat(fileno(f), &st) < 0)
                return -errno;
        n = (size_t) st.st_size;
        data = malloc(n); /* exactly as long, so that a sanitizer sees a read behind it */
        if (!data || fread(data, 1, n, f) != n)
                return -EIO;
        LLVMFuzzerTestOneInput(data, n);
        printf("ok %u - %s\n", ++*n_done, path);
        return 0;
}

static int replay_folder(const char *path, unsigned *n_done) {
        struct dirent **entries;
        int n = scandir(path, &entries, NULL, alphasort), r = 0;

        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = str_format("%s/%s", path, entries[i]->d_name);

                if (r == 0 && entries[i]->d_name[0] != '.')
                        r = file ? replay_file(file, n_done) : -ENOMEM;
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* A path that holds no input at all is a failure: nothing would be tested. */
static int replay(const char *path, unsigned *n_done) {
        unsigned n_before = *n_done;
        struct stat st;
        int r = stat(path, &st) < 0 ? -errno : 0;

        if (r == 0)
                r = S_ISDIR(st.st_mode) ? replay_folder(path, n_done) : replay_file(path, n_done);
        if (r == 0 && *n_done == n_before)
                r = -ENODATA;
        if (r < 0)
                printf("Bail out! %s: %s\n", path, strerror(-r));
        return r;
}

int main(int argc, char *argv[]) {
        const char *name = strstr(program_invocation_short_name, "fuzz-");
        const char *corpus = getenv("FUZZ_CORPUS");
        unsigned n_done = 0;

        if (argc < 2) {
                _cleanup_free_ char *path = NULL;

                if (name)
                        path = str_format("%s/%s", corpus ? corpus : "tests/fuzz/corpus", name + 5);
                if (!path || replay(path, &n_done) < 0)
                        return EXIT_FAILURE;
        }
        for (int i = 1; i < argc; i++)
                if (replay(argv[i], &n_done) < 0)
                        return EXIT_FAILURE;
        printf("1..%u\n", n_done);
        return EXIT_SUCCESS;
}
