# SPDX-License-Identifier: LGPL-2.1-or-later

# PGROK_WITH_DIR(NAME, PACKAGE, VARIABLE, FALLBACK, WHAT): --with-NAME=DIR. By default where pkg-config's PACKAGE has
# its VARIABLE, if this goes to /usr as PACKAGE did; else FALLBACK, below our own prefix.
AC_DEFUN([PGROK_WITH_DIR], [
        AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=DIR], [where $5 go])], [], [with_$1=default])
        AS_CASE([$with_$1],
                [yes|no], [AC_MSG_ERROR([--with-$1 needs a folder])],
                [default], [
                        with_$1=
                        AS_IF([test "$prefix" = /usr], [with_$1=$($PKG_CONFIG --variable=$3 $2 2>/dev/null)])
                        AS_IF([test -z "$with_$1"], [with_$1=$4])])
        AC_SUBST([$1dir], [$with_$1])
])
