/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lists of files: as the program gives them, or a folder for each class. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/open/files.h"

#define LONGEST      4096 /* of a path */
#define MOST_CLASSES 65536

static qn_status copy_text(const qn_context *ctx, char **out, const char *text)
{
    const size_t n = strlen(text) + 1;

    if (!(*out = qn_context_alloc(ctx, n)))
        return QN_E_HOST_MEMORY;
    memcpy(*out, text, n);
    return QN_OK;
}

/* Room for one more of size bytes behind n, by doubling. */
static qn_status grow(const qn_context *ctx, void *array, int64_t n, int64_t room, size_t size)
{
    void *old, *more = qn_context_alloc(ctx, (size_t)room * size);

    if (!more)
        return QN_E_HOST_MEMORY;
    memcpy(&old, array, sizeof(old));
    if (n)
        memcpy(more, old, (size_t)n * size);
    qn_context_free(ctx, old);
    memcpy(array, &more, sizeof(more));
    return QN_OK;
}

static qn_status add_file(struct qnd_list *l, const char *path, int32_t label)
{
    qn_status st;

    if (l->files == l->room) {
        const int64_t room = l->room ? 2 * l->room : 64;

        if ((st = grow(l->ctx, &l->path, l->files, room, sizeof(*l->path))) ||
            (st = grow(l->ctx, &l->label, l->files, room, sizeof(*l->label))))
            return st;
        l->room = room;
    }
    if ((st = copy_text(l->ctx, &l->path[l->files], path)))
        return st;
    l->label[l->files++] = label;
    return QN_OK;
}

static qn_status add_class(struct qnd_list *l, const char *name)
{
    qn_status st;

    if (l->classes == MOST_CLASSES)
        return qnd_error(QN_E_FORMAT, "more than %d classes", MOST_CLASSES);
    if (l->classes == l->class_room) {
        const int room = l->class_room ? 2 * l->class_room : 16;

        if ((st = grow(l->ctx, &l->class_name, l->classes, room, sizeof(*l->class_name))))
            return st;
        l->class_room = room;
    }
    st = copy_text(l->ctx, &l->class_name[l->classes], name);
    l->classes += !st;
    return st;
}

static bool ends_in(const char *name, const char *const *ends)
{
    const size_t n = strlen(name);

    for (int i = 0; ends[i]; i++) {
        const size_t m = strlen(ends[i]);

        if (n > m && strcasecmp(name + n - m, ends[i]) == 0)
            return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What of a folder is a folder, or ends so (ends not NULL): added to the list, in no order. */
static qn_status read_folder(struct qnd_list *l, const char *folder, const char *const *ends, int32_t label)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    qn_status st = QN_OK;

    if (!dir)
        return qnd_error(QN_E_IO, "%s: the folder cannot be opened: %s", folder, strerror(errno));
    while (!st && (entry = readdir(dir))) {
        char path[LONGEST];
        struct stat about;
        const int n = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);

        if (entry->d_name[0] == '.' || (ends && !ends_in(entry->d_name, ends)))
            continue;
        if (n < 0 || n >= LONGEST)
            st = qnd_error(QN_E_IO, "%.200s...: longer than %d bytes", path, LONGEST - 1);
        else if (stat(path, &about) == 0 && !ends && S_ISDIR(about.st_mode))
            st = add_class(l, entry->d_name);
        else if (ends)
            st = add_file(l, path, label);
    }
    closedir(dir);
    return st;
}

static qn_status list_folder(struct qnd_list *l, const char *folder, const char *const *ends)
{
    qn_status st;

    if ((st = read_folder(l, folder, NULL, 0)))
        return st;
    if (!l->classes)
        return qnd_error(QN_E_FORMAT, "%s: there is no folder in it, expected one for each class", folder);
    qsort(l->class_name, (size_t)l->classes, sizeof(*l->class_name), by_name);
    for (int i = 0; i < l->classes; i++) {
        char path[LONGEST];
        const int64_t first = l->files;
        const int n = snprintf(path, sizeof(path), "%s/%s", folder, l->class_name[i]);

        if (n < 0 || n >= LONGEST)
            return qnd_error(QN_E_IO, "%.200s...: longer than %d bytes", path, LONGEST - 1);
        if ((st = read_folder(l, path, ends, i)))
            return st;
        if (l->files > first)
            qsort(l->path + first, (size_t)(l->files - first), sizeof(*l->path), by_name);
    }
    if (!l->files)
        return qnd_error(QN_E_FORMAT, "%s: no file in its folders ends in %s", folder, ends[0]);
    return QN_OK;
}

static qn_status list_given(struct qnd_list *l, const qn_files *files)
{
    qn_status st = QN_OK;

    if (files->files < 0 || (files->files && !files->path))
        return qnd_error(QN_E_ARG, "%lld files%s", (long long)files->files, files->path ? "" : ", path is NULL");
    for (int64_t i = 0; i < files->files && !st; i++) {
        if (!files->path[i] || (files->label && files->label[i] < 0))
            return qnd_error(QN_E_ARG, "file %lld has no path, or a negative label", (long long)i);
        st = add_file(l, files->path[i], files->label ? files->label[i] : 0);
    }
    if (!st && !l->files)
        st = qnd_error(QN_E_ARG, "there is no file");
    return st;
}

qn_status qnd_list_make(struct qnd_list *l, qn_context *ctx, const qn_files *files, const char *const *ends)
{
    qn_status st;

    *l = (struct qnd_list){.ctx = ctx};
    if (!files)
        return qnd_error(QN_E_ARG, "files is NULL");
    for (size_t i = 0; i < sizeof(files->reserved) / sizeof(files->reserved[0]); i++)
        if (files->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the files is not zero", i);
    if (files->folder && files->path)
        return qnd_error(QN_E_ARG, "a folder and paths: expected one of them");
    l->labelled = files->folder || files->label;
    if ((st = files->folder ? list_folder(l, files->folder, ends) : list_given(l, files)))
        qnd_list_free(l);
    return st;
}

void qnd_list_free(struct qnd_list *l)
{
    for (int64_t i = 0; i < l->files; i++)
        qn_context_free(l->ctx, l->path[i]);
    for (int i = 0; i < l->classes; i++)
        qn_context_free(l->ctx, l->class_name[i]);
    qn_context_free(l->ctx, l->path);
    qn_context_free(l->ctx, l->label);
    qn_context_free(l->ctx, l->class_name);
    *l = (struct qnd_list){.ctx = l->ctx};
}

qn_status qnd_list_check(struct qnd_list *l, const qn_files *files, qnd_list_read read, const void *user)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < l->files && files->bad; i++) {
        qn_status st = read(user, i, NULL);

        if (st == QN_E_HOST_MEMORY)
            return st;
        if (st) {
            files->bad(files->user, qn_last_error());
            qn_context_free(l->ctx, l->path[i]);
            l->path[i] = NULL;
        }
    }
    for (int64_t i = 0; i < l->files; i++) {
        if (!l->path[i])
            continue;
        l->path[kept] = l->path[i];
        l->label[kept++] = l->label[i];
    }
    l->files = kept;
    return kept ? QN_OK : qnd_error(QN_E_FORMAT, "%s: no file can be used", files->folder ? files->folder : "the list");
}

qn_status qnd_list_samples(const struct qnd_list *l, const int64_t *index, int64_t count, void *const *out, size_t bytes,
                           qnd_list_read read, const void *user)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < count && !st; i++) {
        if (l->labelled && out[1])
            ((int32_t *)out[1])[i] = l->label[index[i]];
        if (out[0])
            st = read(user, index[i], (unsigned char *)out[0] + (size_t)i * bytes);
    }
    return st;
}

qn_status qnd_list_dataset(qn_dataset **out, const struct qnd_list *l, qn_field field[2], const qn_source *source)
{
    qn_source s = *source;
    qn_status st;

    field[1] = (qn_field){.name = "label", .role = QN_FIELD_TARGET, .dtype = QN_I32};
    s.samples = l->files;
    s.field = field;
    s.fields = l->labelled ? 2 : 1;
    if ((st = qn_dataset_source(out, l->ctx, &s))) {
        s.close(s.user);
        return st;
    }
    if (l->classes && (st = qn_dataset_name_classes(*out, (const char *const *)l->class_name, l->classes)))
        qn_dataset_close(out);
    return st;
}
