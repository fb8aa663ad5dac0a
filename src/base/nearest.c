/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/nearest.h"

#include "base/str.h"

/* '-' and '_' are the same here, and so are the cases of a letter. */
static char fold(char c) {
        return c == '_' ? '-' : char_lower(c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
        return MIN(MIN(a, b), c);
}

/* How many letters are to be put in, left out, replaced, or exchanged with their neighbours (optimal string
 * alignment). Row I of the table is about the first I letters of A; three are kept. */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b) {
        unsigned rows[3][NEAREST_WORD_MAX + 1];

        for (size_t k = 0; k <= n_b; k++)
                rows[0][k] = (unsigned) k;
        for (size_t i = 1; i <= n_a; i++) {
                unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];

                row[0] = (unsigned) i;
                for (size_t k = 1; k <= n_b; k++) {
                        bool same = fold(a[i - 1]) == fold(b[k - 1]);

                        row[k] = min3(above[k] + 1, row[k - 1] + 1, above[k - 1] + !same);
                        if (i > 1 && k > 1 && fold(a[i - 1]) == fold(b[k - 2]) &&
                            fold(a[i - 2]) == fold(b[k - 1]))
                                row[k] = MIN(row[k], second[k - 2] + 1);
                }
        }
        return rows[n_a % 3][n_b];
}

/* A third of it may be wrong. */
static unsigned tolerance(size_t n) {
        return n < 3 ? 1 : (unsigned) MIN(n / 3 + (n > 3), (size_t) 3);
}

void nearest_offer(Nearest *s, const char *candidate, size_t n) {
        size_t length = strlen(s->word);
        unsigned d;

        if (length > NEAREST_WORD_MAX || n > NEAREST_WORD_MAX || length == 0)
                return;
        d = distance(s->word, length, candidate, n);
        if (d > tolerance(length) || d >= MAX(length, n) || (s->found && d >= s->distance))
                return;
        s->found = candidate;
        s->n = n;
        s->distance = d;
}

const char *nearest_option(const struct option *table, const char *argument) {
        char word[NEAREST_WORD_MAX + 1];
        Nearest s = { .word = word };

        argument += strspn(argument, "-");
        snprintf(word, sizeof(word), "%.*s", (int) MIN(strcspn(argument, "="), sizeof(word)), argument);
        for (; table->name; table++)
                nearest_offer(&s, table->name, strlen(table->name));
        return s.distance > 0 ? s.found : NULL; /* at 0 something else is wrong */
}
