# SPDX-License-Identifier: LGPL-2.1-or-later

# _PGROK_TRY_FLAG(CFLAGS or LDFLAGS, FLAG, IF-TAKEN, IF-NOT): links a program with it, warnings being errors.
AC_DEFUN([_PGROK_TRY_FLAG], [
        AC_MSG_CHECKING([whether $CC takes $2])
        pgrok_saved_$1=$$1
        $1="$$1 -Werror $2"
        AC_LINK_IFELSE([AC_LANG_PROGRAM([#include <stdio.h>], [puts("");])],
                [AC_MSG_RESULT([yes]); $1=$pgrok_saved_$1; $3],
                [AC_MSG_RESULT([no]); $1=$pgrok_saved_$1; $4])
])

# PGROK_ADD_CFLAGS(VARIABLE, FLAGS): appends each flag that the compiler takes.
AC_DEFUN([PGROK_ADD_CFLAGS], [
        for pgrok_flag in $2; do
                _PGROK_TRY_FLAG([CFLAGS], [$pgrok_flag], [$1="$$1 $pgrok_flag"], [])
        done
])

# PGROK_ADD_LDFLAGS(VARIABLE, FLAGS): the same for the linker.
AC_DEFUN([PGROK_ADD_LDFLAGS], [
        for pgrok_flag in $2; do
                _PGROK_TRY_FLAG([LDFLAGS], [$pgrok_flag], [$1="$$1 $pgrok_flag"], [])
        done
])

# PGROK_NEED_CFLAGS(VARIABLE, FLAG): ends configure when the compiler doesn't take it.
AC_DEFUN([PGROK_NEED_CFLAGS], [
        _PGROK_TRY_FLAG([CFLAGS], [$2], [$1="$$1 $2"], [AC_MSG_ERROR([$CC does not take $2])])
])
