/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Prints the help about COMMAND (NULL: about all) to stdout. Returns 0, or -ENOENT when there is no such
 * command. */
int help_print(const char *command);
