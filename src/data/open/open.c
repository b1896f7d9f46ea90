/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Datasets by name: which files they are, where they are sought, and the digits' enlargement. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <quern/data_open.h>

#include "data/open/gz.h"

#define LONGEST 4096 /* of a path */
#define SMALL   8    /* the digits' height and width in the file */
#define LARGE   28   /* and as a dataset */
#define BLACK   16   /* their largest value in the file */

struct set {
    const char *name;
    const char *folder;                /* below the data folder */
    const char *images[2], *labels[2]; /* of train and test */
    int side;
};

static const struct set sets[] = {
    {"digits",
     "digits",
     {"digits-train-images-idx3-ubyte", "digits-test-images-idx3-ubyte"},
     {"digits-train-labels-idx1-ubyte", "digits-test-labels-idx1-ubyte"},
     SMALL},
    {"mnist",
     "mnist",
     {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"},
     {"train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"},
     LARGE},
    {"fashion-mnist",
     "fashion-mnist",
     {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"},
     {"train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"},
     LARGE},
};

/* Where what comes with Quern lies: installed, or in the source folder of a build that is not. */
static const char *const own_folders[] = {QND_INSTALLED_DATA, QND_SOURCE_DATA};

/* dir/[folder/]file[.gz], whichever is there. */
static bool find_file(char path[LONGEST], const char *dir, const char *folder, const char *file)
{
    static const char *const ends[] = {"", ".gz"};

    for (int below = 1; below >= 0; below--)
        for (int i = 0; i < 2; i++) {
            int n = snprintf(path, LONGEST, "%s/%s%s%s%s", dir, below ? folder : "", below ? "/" : "", file, ends[i]);

            if (n > 0 && n < LONGEST && access(path, F_OK) == 0)
                return true;
        }
    return false;
}

struct place {
    const char *dir[3];
    int n;
};

static struct place places(const qn_context *ctx, const qn_dataset_opt *opt)
{
    const char *env = qn_context_env(ctx, "QUERN_DATA");
    struct place p = {{NULL}, 0};

    if (opt->data_dir) {
        p.dir[p.n++] = opt->data_dir;
        return p;
    }
    if (env)
        p.dir[p.n++] = env;
    for (size_t i = 0; i < sizeof(own_folders) / sizeof(own_folders[0]); i++)
        p.dir[p.n++] = own_folders[i];
    return p;
}

/* Both files from the first folder that has the images. */
static qn_status find_set(char images[LONGEST], char labels[LONGEST], const struct set *set, int test,
                          const struct place *where)
{
    char tried[768] = "";
    size_t n = 0;

    for (int i = 0; i < where->n; i++) {
        const char *dir = where->dir[i];
        int more;

        if (find_file(images, dir, set->folder, set->images[test])) {
            if (find_file(labels, dir, set->folder, set->labels[test]))
                return QN_OK;
            return qnd_error(QN_E_IO, "%s has %s, but not %s", dir, set->images[test], set->labels[test]);
        }
        more = snprintf(tried + n, sizeof(tried) - n, "%s%.300s", i ? ", " : "", dir);
        n += more > 0 && (size_t)more < sizeof(tried) - n ? (size_t)more : 0;
    }
    return qnd_error(QN_E_IO, "%s not found in %s: name the folder by data_dir or $QUERN_DATA", set->images[test],
                     tried);
}

/* Bilinear, half-pixel centres, the edge repeated, exact in integers but for the one division; the formula is derived
 * in examples/data/digits/README.md. */
static qn_status enlarge(void *user, const qn_sample *s)
{
    const unsigned char *in = s->in[0];
    float *out = s->out[0];

    (void)user;
    if (s->out[1])
        memcpy(s->out[1], s->in[1], sizeof(int32_t));
    if (!out)
        return QN_OK;
    for (int i = 0; i < LARGE; i++) {
        int y = 4 * i - 5 + 14, p = y / 14 - 1, a = y % 14; /* 14 more, so that division rounds down */
        const unsigned char *row0 = in + SMALL * (p > 0 ? p : 0),
                            *row1 = in + SMALL * (p + 1 < SMALL ? p + 1 : SMALL - 1);

        for (int j = 0; j < LARGE; j++) {
            int x = 4 * j - 5 + 14, q = x / 14 - 1, b = x % 14;
            int q0 = q > 0 ? q : 0, q1 = q + 1 < SMALL ? q + 1 : SMALL - 1;
            int sum = (14 - a) * ((14 - b) * row0[q0] + b * row0[q1]) + a * ((14 - b) * row1[q0] + b * row1[q1]);

            out[LARGE * i + j] = (float)sum / (14 * 14 * BLACK);
        }
    }
    return QN_OK;
}

static qn_status enlarge_digits(qn_dataset **ds)
{
    static const qn_field field[] = {{"image", QN_FIELD_INPUT, QN_F32, {3, {LARGE, LARGE, 1}}},
                                     {"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}};
    qn_dataset *small = *ds;
    qn_status st = qn_dataset_map(ds, small, &(qn_map_opt){.field = field, .fields = 2, .map = enlarge});

    qn_dataset_close(&small);
    return st;
}

static qn_status open_set(qn_dataset **out, const struct set *set, int test, qn_context *ctx, const struct place *where)
{
    char images[LONGEST], labels[LONGEST];
    bool digits = set->side == SMALL;
    qn_idx_opt opt = {.context = ctx, .keep_u8 = digits, .classes = 10};
    const qn_field *image;
    qn_status st;

    if ((st = find_set(images, labels, set, test, where)) != QN_OK ||
        (st = qn_dataset_idx_gz(out, images, labels, &opt)) != QN_OK)
        return st;
    image = qn_dataset_field(*out, 0);
    if (image->shape.rank != 3 || image->shape.dim[0] != set->side || image->shape.dim[1] != set->side ||
        image->dtype != (digits ? QN_U8 : QN_F32))
        st = qnd_error(QN_E_FORMAT, "%s: not images of %d x %d bytes", images, set->side, set->side);
    else if (digits)
        st = enlarge_digits(out);
    if (st)
        qn_dataset_close(out);
    return st;
}

static const struct set *find_name(const char *name, int *test)
{
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        size_t n = strlen(sets[i].name);

        if (strncmp(name, sets[i].name, n) != 0 || name[n] != ':')
            continue;
        *test = strcmp(name + n, ":test") == 0;
        if (*test || strcmp(name + n, ":train") == 0)
            return &sets[i];
    }
    return NULL;
}

qn_status qn_dataset_open(qn_dataset **out, const char *name, const qn_dataset_opt *opt)
{
    static const qn_dataset_opt defaults;
    qn_context *own = NULL, *ctx;
    const struct set *set;
    struct place where;
    int test = 0;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!name)
        return qnd_error(QN_E_ARG, "the name is NULL");
    opt = opt ? opt : &defaults;
    for (size_t i = 0; i < sizeof(opt->reserved) / sizeof(opt->reserved[0]); i++)
        if (opt->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the dataset's options is not zero", i);
    if (strncmp(name, "csv:", 4) == 0) {
        qn_csv_opt csv = opt->csv;

        csv.context = opt->context;
        return qn_dataset_csv_gz(out, name + 4, &csv);
    }
    if (!(set = find_name(name, &test)))
        return qnd_error(QN_E_ARG,
                         "no dataset \"%.100s\": expected digits, mnist or fashion-mnist with :train or :test, or "
                         "csv:FILE",
                         name);
    ctx = opt->context;
    if (!ctx && (st = qn_context_create(&own, NULL)) != QN_OK)
        return st;
    ctx = ctx ? ctx : own;
    where = places(ctx, opt);
    st = open_set(out, set, test, ctx, &where);
    qn_context_destroy(&own);
    return st;
}
