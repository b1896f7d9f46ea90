/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sentences from files, in memory (source_lines.c) or read again where they are needed (source_large_lines.c). */
#ifndef QUERN_TOOL_SOURCE_LINES_H
#define QUERN_TOOL_SOURCE_LINES_H

#include "models.h"

#define LINES_MOST_FILES 64

/* A sentence as it stands in the file, and its class: both lent. */
struct sentence {
    const char *text, *class;
};

/* "FILE" or "CLASS=FILE", cut in two; class NULL where there is none. */
qn_status lines_name(char *name, const char **path, const char **class);
/* A line that is not empty, which is changed; class NULL: it has its own. known: a saved model's classes, or NULL. */
qn_status lines_cut(struct sentence *out, const qn_prep *known, const char *path, int64_t number, char *line, const char *class);

/* Are the files larger than --keep? */
bool lines_are_large(const struct dataset_options *o);
qn_status source_large_lines(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);

#endif
