/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Things to predict for, from files and standard input, as a preparation takes them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "models.h"

#ifdef QUERN_TOOL_DATA
#include <quern/data_files.h>
#endif

#define LONGEST_LINE ((size_t)1 << 24)
#define MOST_CELLS   1024              /* of a line; the last ones */
#define MOST_BYTES   ((size_t)1 << 30) /* of standard input as one thing */

/* What a kind of preparation reads: a thing a file, or a thing a line. */
struct form {
    qn_prep_kind kind;
    /* A whole file into in->raw; path NULL: bytes are standard input's. */
    qn_status (*file)(struct inputs *in, const char *path, const void *data, size_t bytes);
    /* A line into in->raw, without its end. */
    qn_status (*line)(struct inputs *in);
    bool rows; /* instead: a row of a table */
};

struct inputs {
    qn_context *ctx;
    const qn_prep *prep;
    const struct form *form;
    const char *const *path;
    int paths, at;         /* the file that is read, or the next one where none is open */
    FILE *lines;           /* NULL: none is open */
    int64_t number;        /* of the line */
    bool used;             /* the file had a line that is not empty */
    bool rest;             /* the line before was too long: what is left of it comes first */
    const char *encoding;  /* of texts; NULL: UTF-8 */
    qn_lines *converted;   /* the line in UTF-8, where it was in another encoding */
    char *text;            /* the line, of realloc() */
    size_t room;
    char name[4200];
    qn_raw raw;
    qn_image *image;
    qn_sound *sound;
    qn_table *table;       /* NULL: none is open */
    qn_table_cursor *cursor;
    int64_t row;           /* the next one */
    int *column;           /* [columns] of the table, for the preparation */
    const char **cell;     /* [columns] */
    void (*bad)(void *user, const char *line);
    void *user;
    const char *item[MOST_CELLS];
};

static const char *const standard = "standard input";

static qn_status fail(qn_status st, const struct inputs *in, const char *what)
{
    char text[4400];

    snprintf(text, sizeof(text), "%s: %s", in->name, what);
    return qn_error_set(st, text);
}

/* For qn_reader: bytes that are there already. */
struct memory {
    const char *data;
    size_t left;
};

static qn_status read_memory(void *user, void *to, size_t bytes, size_t *got)
{
    struct memory *m = user;

    *got = bytes < m->left ? bytes : m->left;
    memcpy(to, m->data, *got);
    m->data += *got;
    m->left -= *got;
    return QN_OK;
}

/* ---- kinds ---- */

#ifdef QUERN_TOOL_DATA

static qn_status read_image(struct inputs *in, const char *path, const void *data, size_t bytes)
{
    const qn_image_read_opt o = { .context = in->ctx };
    qn_status st = path ? qn_image_read(&in->image, path, &o) : qn_image_decode(&in->image, standard, data, bytes, &o);

    in->raw.image = in->image;
    return st;
}

static qn_status read_sound(struct inputs *in, const char *path, const void *data, size_t bytes)
{
    const qn_sound_read_opt o = { .context = in->ctx };
    qn_status st = path ? qn_sound_read(&in->sound, path, &o) : qn_sound_decode(&in->sound, standard, data, bytes, &o);

    in->raw.sound = in->sound;
    return st;
}

#endif

static qn_status take_text(struct inputs *in)
{
    struct memory m = { in->text, strlen(in->text) };
    const qn_reader reader = { .name = in->name, .read = read_memory, .user = &m };
    qn_status st;

    in->raw.text = in->text;
    if (!in->encoding)
        return QN_OK;
    qn_lines_destroy(&in->converted);
    if ((st = qn_lines_read_from(&in->converted, &reader, &(qn_lines_opt){ .context = in->ctx, .encoding = in->encoding })))
        return st;
    in->raw.text = in->converted->lines ? in->converted->line[0] : "";
    return QN_OK;
}

/* Items with commas between them. */
static qn_status take_items(struct inputs *in)
{
    int64_t n = 0;

    for (char *at = in->text, *next; at; at = next) {
        if ((next = strchr(at, ',')))
            *next++ = '\0';
        if (n == MOST_CELLS)
            memmove(in->item, in->item + 1, (size_t)--n * sizeof(in->item[0]));
        in->item[n++] = at;
    }
    in->raw.cell = in->item;
    in->raw.cells = n;
    return QN_OK;
}

static const struct form forms[] = {
    { .kind = QN_PREP_ITEMS, .line = take_items },
    { .kind = QN_PREP_TEXT, .line = take_text },
    { .kind = QN_PREP_TABLE, .rows = true },
#ifdef QUERN_TOOL_DATA
    { .kind = QN_PREP_IMAGE, .file = read_image },
    { .kind = QN_PREP_SOUND, .file = read_sound },
#endif
};

/* ---- files and lines ---- */

/* All of standard input. */
static qn_status read_all(const struct inputs *in, char **out, size_t *bytes)
{
    size_t room = 0, n = 0, got;
    char *data = NULL;

    do {
        if (n == room) {
            const size_t more = room ? 2 * room : 65536;
            char *larger = more <= MOST_BYTES ? qn_context_alloc(in->ctx, more) : NULL;

            if (larger && n)
                memcpy(larger, data, n);
            qn_context_free(in->ctx, data);
            if (!(data = larger))
                return more <= MOST_BYTES ? QN_E_HOST_MEMORY : fail(QN_E_FORMAT, in, "too long");
            room = more;
        }
        got = fread(data + n, 1, room - n, stdin);
        n += got;
    } while (got);
    if (!n || ferror(stdin)) {
        qn_context_free(in->ctx, data);
        return fail(n ? QN_E_IO : QN_E_FORMAT, in, n ? strerror(errno) : "empty");
    }
    *out = data;
    *bytes = n;
    return QN_OK;
}

static bool is_standard(const char *path)
{
    return !strcmp(path, "-");
}

/* For messages. */
static const char *shown(const char *path)
{
    return path && !is_standard(path) ? path : standard;
}

static qn_status next_file(struct inputs *in)
{
    const char *path = in->path[in->at++];
    char *data = NULL;
    size_t bytes = 0;
    qn_status st;

    snprintf(in->name, sizeof(in->name), "%s", shown(path));
    if (!is_standard(path))
        return in->form->file(in, path, NULL, 0);
    if (!(st = read_all(in, &data, &bytes)))
        st = in->form->file(in, NULL, data, bytes);
    qn_context_free(in->ctx, data);
    return st;
}

static void close_lines(struct inputs *in)
{
    if (in->lines && in->lines != stdin)
        fclose(in->lines);
    in->lines = NULL;
}

static qn_status open_lines(struct inputs *in)
{
    const char *path = in->path[in->at++];

    in->number = 0;
    in->used = in->rest = false;
    in->lines = is_standard(path) ? stdin : fopen(path, "r");
    if (in->lines)
        return QN_OK;
    snprintf(in->name, sizeof(in->name), "%s", path);
    return fail(QN_E_IO, in, strerror(errno));
}

/* A line into in->text, without its end; false at the end of the file, and where it is too long: then *n is beyond the limit. */
static bool get_line(struct inputs *in, size_t *n)
{
    int c = EOF;

    while (in->rest && (c = getc(in->lines)) != EOF && c != '\n')
        ;
    in->rest = false;
    c = EOF;
    *n = 0;
    while (*n <= LONGEST_LINE && (c = getc(in->lines)) != EOF && c != '\n') {
        if (*n + 1 >= in->room) {
            const size_t room = in->room ? 2 * in->room : 4096;
            char *larger = realloc(in->text, room);

            if (!larger) {
                *n = LONGEST_LINE + 1;
                break;
            }
            in->text = larger;
            in->room = room;
        }
        in->text[(*n)++] = (char)c;
    }
    in->rest = *n > LONGEST_LINE;
    if (*n && *n <= LONGEST_LINE && in->text[*n - 1] == '\r')
        --*n;
    if (in->text && *n <= LONGEST_LINE)
        in->text[*n] = '\0';
    return c == '\n' || *n;
}

/* The next line that is not empty; *found is false at the end of the file. */
static qn_status read_line(struct inputs *in, bool *found)
{
    const char *path = in->path[in->at - 1];
    size_t n = 0;

    *found = false;
    while (!*found && get_line(in, &n)) {
        snprintf(in->name, sizeof(in->name), "%s:%lld", shown(path), (long long)++in->number);
        if (n > LONGEST_LINE)
            return fail(QN_E_FORMAT, in, "the line is too long");
        if (!n)
            continue;
        if (strlen(in->text) != n)
            return fail(QN_E_FORMAT, in, "the line has a zero byte");
        if (in->number == 1 && !strncmp(in->text, "\xef\xbb\xbf", 3))
            memmove(in->text, in->text + 3, n - 2);
        *found = in->text[strspn(in->text, " \t")] != '\0';
    }
    if (*found || !ferror(in->lines))
        return QN_OK;
    snprintf(in->name, sizeof(in->name), "%s", shown(path));
    return fail(QN_E_IO, in, strerror(errno));
}

static qn_status empty(struct inputs *in)
{
    const char *path = in->path[in->at - 1];

    snprintf(in->name, sizeof(in->name), "%s", shown(path));
    return fail(QN_E_FORMAT, in, "nothing is in it");
}

/* Behind the last line of the last file, raw stays as it is and found is false. */
static qn_status next_line(struct inputs *in, bool *found)
{
    qn_status st = QN_OK;

    *found = false;
    while (!*found && (in->lines || in->at < in->paths)) {
        if (!in->lines && (st = open_lines(in)))
            return st;
        st = read_line(in, found);
        in->used |= st || *found;
        if (*found)
            return in->form->line(in);
        if (!st || st == QN_E_IO)
            close_lines(in);
        if (!st && !in->used)
            st = empty(in);
        if (st)
            return st;
    }
    return QN_OK;
}

/* ---- rows ---- */

static qn_status open_table(struct inputs *in)
{
    const char *path = in->path[in->at++];
    const qn_table_opt o = { .context = in->ctx, .bad = in->bad, .user = in->user };
    char *data = NULL;
    struct memory m = { 0 };
    qn_status st;

    in->row = 0;
    snprintf(in->name, sizeof(in->name), "%s", shown(path));
    if (!is_standard(path)) {
        st = qn_table_read(&in->table, path, &o);
    } else if (!(st = read_all(in, &data, &m.left))) {
        m.data = data;
        st = qn_table_from(&in->table, &(qn_reader){ .name = standard, .read = read_memory, .user = &m }, &o);
    }
    qn_context_free(in->ctx, data);
    if (!st && ((st = qn_prep_table_match(in->prep, in->table, in->column)) || (st = qn_table_cursor_open(&in->cursor, in->table))))
        qn_table_destroy(&in->table);
    return st;
}

/* Behind the last row of the last table found is false. */
static qn_status next_row(struct inputs *in, bool *found)
{
    const int columns = qn_prep_columns(in->prep);
    qn_status st;

    *found = false;
    while (!in->table || in->row == qn_table_rows(in->table)) {
        qn_table_cursor_close(&in->cursor);
        qn_table_destroy(&in->table);
        if (in->at == in->paths)
            return QN_OK;
        if ((st = open_table(in)))
            return st;
    }
    if ((st = qn_table_cursor_go(in->cursor, in->row)))
        return st;
    in->row++;
    for (int i = 0; i < columns; i++)
        in->cell[i] = qn_table_cursor_cell(in->cursor, in->column[i]);
    snprintf(in->name, sizeof(in->name), "%s:%lld", is_standard(in->path[in->at - 1]) ? standard : in->path[in->at - 1],
             (long long)qn_table_cursor_line(in->cursor));
    in->raw = (qn_raw){ .cell = in->cell, .cells = columns };
    *found = true;
    return QN_OK;
}

qn_status inputs_open(struct inputs **out, qn_context *ctx, const qn_prep *prep, const char *encoding, const char *const *path,
                      int paths, void (*bad)(void *user, const char *line), void *user)
{
    const size_t columns = (size_t)qn_prep_columns(prep);
    struct inputs *in;
    size_t form = 0;

    *out = NULL;
    while (form < sizeof(forms) / sizeof(forms[0]) && forms[form].kind != qn_prep_get_kind(prep))
        form++;
    if (!prep || form == sizeof(forms) / sizeof(forms[0]))
        return qn_error_set(QN_E_ARG, prep ? "the model's inputs are no files that this command reads"
                                           : "the model does not know how its inputs are prepared: use --data or --input");
    if (!(in = qn_context_alloc(ctx, sizeof(*in))))
        return QN_E_HOST_MEMORY;
    *in = (struct inputs){ .ctx = ctx, .prep = prep, .form = &forms[form], .encoding = encoding, .path = path, .paths = paths,
                           .bad = bad, .user = user };
    *out = in;
    if (!columns)
        return QN_OK;
    in->column = qn_context_alloc(ctx, columns * sizeof(*in->column));
    in->cell = qn_context_alloc(ctx, columns * sizeof(*in->cell));
    return in->column && in->cell ? QN_OK : QN_E_HOST_MEMORY;
}

qn_status inputs_next(struct inputs *in, struct input *out)
{
    bool found = false;
    qn_status st = QN_OK;

    *out = (struct input){ 0 };
    qn_image_destroy(&in->image);
    qn_sound_destroy(&in->sound);
    in->raw = (qn_raw){ 0 };
    if (in->form->rows) {
        st = next_row(in, &found);
    } else if (in->form->line) {
        st = next_line(in, &found);
    } else if (in->at < in->paths) {
        found = true;
        st = next_file(in);
    }
    if (st || !found)
        return st;
    out->name = in->name;
    out->raw = in->raw;
    return QN_OK;
}

void inputs_close(struct inputs **inputs)
{
    struct inputs *in = *inputs;

    if (!in)
        return;
    *inputs = NULL;
    close_lines(in);
    qn_image_destroy(&in->image);
    qn_sound_destroy(&in->sound);
    qn_table_cursor_close(&in->cursor);
    qn_table_destroy(&in->table);
    qn_context_free(in->ctx, in->column);
    qn_context_free(in->ctx, in->cell);
    qn_lines_destroy(&in->converted);
    free(in->text);
    qn_context_free(in->ctx, in);
}
