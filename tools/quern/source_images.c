/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Pictures: folders with a folder for each class, split already or not. */
#include <string.h>
#include <sys/stat.h>

#include "models.h"

#ifdef QUERN_TOOL_DATA

#include <quern/data_files.h>

#define LONGEST    4096
#define MOST_CACHE (INT64_C(1) << 30) /* bytes of decoded pictures that are kept */

static bool is_folder(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static qn_status join(char path[LONGEST], const char *folder, const char *name)
{
    const int n = snprintf(path, LONGEST, "%s%s%s", folder, *name ? "/" : "", name);

    return n > 0 && n < LONGEST ? QN_OK : qn_error_set(QN_E_ARG, "the folder's name is too long");
}

static qn_status list(qn_dataset **out, struct dataset *d, const struct dataset_options *o, const char *folder)
{
    return qn_dataset_images(out, &(qn_files){ .folder = folder, .bad = o->skip_bad ? dataset_bad : NULL, .user = d },
                             &(qn_images_opt){ .context = d->ctx, .prep = d->input });
}

/* How pictures are prepared: as the saved model's, else of the model's size, else of the first one's. */
static qn_status choose_prep(struct dataset *d, const struct task *t, const struct dataset_options *o, const char *folder)
{
    qn_prep_image_opt opt = { .height = t ? t->height : 0, .width = t ? t->width : 0, .fit = QN_FIT_CROP, .antialias = true };
    qn_dataset *first = NULL;
    qn_status st = QN_OK;

    if (o->model) {
        d->input = qn_prep_retain(qn_model_prep(o->model, QN_FIELD_INPUT, 0));
        return d->input && qn_prep_get_kind(d->input) == QN_PREP_IMAGE
                   ? QN_OK : qn_error_set(QN_E_ARG, "the model was not trained on pictures");
    }
    if (!opt.height && !(st = list(&first, d, &(struct dataset_options){ 0 }, folder))) {
        const qn_field *f = qn_dataset_field(first, 0);

        opt.height = (int)f->shape.dim[0];
        opt.width = (int)f->shape.dim[1];
    }
    qn_dataset_close(&first);
    return st ? st : qn_prep_image(&d->input, d->ctx, &opt);
}

/* Decoded once, changed at random for training, finished. */
static qn_status complete(qn_dataset **ds, const struct dataset *d, const struct task *t, bool train)
{
    const qn_image_augment_opt *augment = train && t ? t->augment : NULL;
    qn_dataset *kept = NULL, *changed = NULL, *done = NULL;
    qn_status st;

    if (!(st = qn_dataset_cache(&kept, *ds, MOST_CACHE)) &&
        !(augment && (st = qn_dataset_image_augment(&changed, kept, augment))))
        st = qn_dataset_finish(&done, changed ? changed : kept, d->input);
    qn_dataset_close(&kept);
    qn_dataset_close(&changed);
    if (st)
        return st;
    qn_dataset_close(ds);
    *ds = done;
    return QN_OK;
}

static qn_status name_classes(struct dataset *d, const struct dataset_options *o)
{
    const int n = qn_dataset_classes(d->test);
    const char **name;
    qn_status st;

    if (o->model) {
        d->target = qn_prep_retain(qn_model_prep(o->model, QN_FIELD_TARGET, 0));
        for (int i = 0; d->target && i < n; i++)
            if (!qn_prep_class(d->target, i) || strcmp(qn_prep_class(d->target, i), qn_dataset_class(d->test, i)))
                return qn_error_set(QN_E_ARG, "the folder has other classes than the model");
        return QN_OK;
    }
    if (!(name = qn_context_alloc(d->ctx, (size_t)n * sizeof(*name))))
        return QN_E_HOST_MEMORY;
    for (int i = 0; i < n; i++)
        name[i] = qn_dataset_class(d->test, i);
    st = qn_prep_classes(&d->target, d->ctx, name, n);
    qn_context_free(d->ctx, name);
    return st;
}

static qn_status open_split(struct dataset *d, const struct task *t, const struct dataset_options *o, const char *folder,
                            bool train)
{
    char part[LONGEST];
    qn_status st;

    if ((st = join(part, folder, "train")) || (st = choose_prep(d, t, o, part)) ||
        (train && (st = list(&d->train, d, o, part))) || (st = join(part, folder, "test")))
        return st;
    return list(&d->test, d, o, part);
}

/* Every class in the same shares, always the same pictures. */
static qn_status open_whole(struct dataset *d, const struct task *t, const struct dataset_options *o, const char *folder,
                            bool train)
{
    qn_dataset *all = NULL, *part[2] = { NULL };
    qn_status st;

    if ((st = choose_prep(d, t, o, folder)) || (st = list(&all, d, o, folder)))
        return st;
    if (!train && !(o->split > 0.0)) {
        d->test = all;
        return QN_OK;
    }
    st = qn_dataset_divide(part, (const double[]){ 1.0 - o->split, o->split }, 2, all, true, 0);
    qn_dataset_close(&all);
    d->test = part[1];
    if (train)
        d->train = part[0];
    else
        qn_dataset_close(&part[0]);
    return st;
}

/* A folder with train and test in it, or one that is split here. */
static qn_status open_folder(struct dataset *d, const struct task *t, const struct dataset_options *o, const char *folder,
                             bool train)
{
    char path[LONGEST];
    qn_status st;

    if ((st = join(path, folder, "train")))
        return st;
    st = is_folder(path) ? open_split(d, t, o, folder, train) : open_whole(d, t, o, folder, train);
    if (st || (st = name_classes(d, o)) || (st = complete(&d->test, d, t, false)) ||
        (d->train && (st = complete(&d->train, d, t, true))))
        return st;
    return QN_OK;
}

qn_status source_images(struct dataset *d, const struct task *t, const struct dataset_options *o, bool train)
{
    return open_folder(d, t, o, o->name + strlen("images:"), train);
}

/* DIR/NAME, or DIR itself where that has the classes. */
qn_status source_image_set(struct dataset *d, const struct task *t, const struct dataset_options *o, bool train)
{
    const char *dir = o->dir ? o->dir : qn_context_env(d->ctx, "QUERN_DATA");
    char path[LONGEST], text[LONGEST + 160];
    qn_status st;

    if (!dir)
        return qn_error_set(QN_E_IO, "the folder that holds the pictures is not known: name it by --data-dir or QUERN_DATA");
    if ((st = join(path, dir, o->name)))
        return st;
    if (is_folder(path))
        return open_folder(d, t, o, path, train);
    snprintf(text, sizeof(text), "%s: there is no such folder: unpack the archive of %.32s in %.64s", path, o->name, dir);
    return qn_error_set(QN_E_IO, text);
}

#else

qn_status source_images(struct dataset *d, const struct task *t, const struct dataset_options *o, bool train)
{
    (void)d;
    (void)t;
    (void)o;
    (void)train;
    return qn_error_set(QN_E_UNSUPPORTED, "this command was built without zlib and reads no pictures");
}

qn_status source_image_set(struct dataset *d, const struct task *t, const struct dataset_options *o, bool train)
{
    return source_images(d, t, o, train);
}

#endif
