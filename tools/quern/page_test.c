/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The page of a run: what the model makes of the test part. */
#include <math.h>
#include <string.h>

#include "model/model.h"
#include "page.h"

#define MOST_CLASSES  32 /* of a confusion matrix */
#define MOST_MISTAKES 12
#define MOST_NUMBERS  24 /* of a sample that is no picture */
#define MOST_TEXT     2000
#define SPECTRA       96 /* of a spectrogram, beside each other */

struct mistake {
    int64_t sample;
    double size;      /* how much more the wrong class had than the right one; of a number: how far off */
};

struct results {
    const struct page_run *run;
    qn_context *ctx;
    const qn_dataset *test;
    const qn_prep *meaning; /* of the output, or NULL */
    int64_t samples, width; /* width 1: a number is predicted */
    double *target;         /* [samples] */
    float *out;             /* [samples, width] */
    struct mistake worst[MOST_MISTAKES];
    int mistakes;
};

static int64_t likeliest(const struct results *r, int64_t sample)
{
    const float *p = r->out + sample * r->width;
    int64_t best = 0;

    for (int64_t i = 1; i < r->width; i++)
        if (p[i] > p[best] || isnan(p[best]))
            best = i;
    return best;
}

static bool is_class(const struct results *r, double target)
{
    return target >= 0.0 && target < (double)r->width;
}

static const char *class_name(const struct results *r, int64_t i, char text[32])
{
    const char *name = qn_prep_class(r->meaning, (int)i) ? qn_prep_class(r->meaning, (int)i) : qn_dataset_class(r->test, (int)i);

    snprintf(text, 32, "%lld", (long long)i);
    return name ? name : text;
}

/* ---- classes ---- */

static qn_status show_confusion(struct qni_text *t, const struct results *r)
{
    const int64_t n = r->width;
    int64_t *count = NULL;
    char text[32];
    qn_status st;

    html_element(t, "h2", "Confusion matrix");
    if (n > MOST_CLASSES) {
        html_element(t, "p", "Left out: there are %lld classes.", (long long)n);
        return QN_OK;
    }
    if ((st = qni_calloc(r->ctx, &count, (size_t)(n * n), sizeof(*count))))
        return st;
    for (int64_t i = 0; i < r->samples; i++)
        if (is_class(r, r->target[i]))
            count[(int64_t)r->target[i] * n + likeliest(r, i)]++;
    html_element(t, "p", "Samples of the test part: a row for what each is, a column for what the model says.");
    qni_text_add(t, "<table id=\"confusion\">\n<tr><th></th>");
    for (int64_t i = 0; i < n; i++)
        html_element(t, "th", "%s", class_name(r, i, text));
    qni_text_add(t, "</tr>\n");
    for (int64_t i = 0; i < n; i++) {
        int64_t all = 0;

        for (int64_t k = 0; k < n; k++)
            all += count[i * n + k];
        qni_text_add(t, "<tr>");
        html_element(t, "th", "%s", class_name(r, i, text));
        for (int64_t k = 0; k < n; k++)
            qni_text_add(t, "<td style=\"background:rgba(%s,%.2f)\">%lld</td>", i == k ? "60,160,90" : "210,60,50",
                         all ? 0.8 * (double)count[i * n + k] / (double)all : 0.0, (long long)count[i * n + k]);
        qni_text_add(t, "</tr>\n");
    }
    qni_text_add(t, "</table>\n");
    qni_free(r->ctx, &count);
    return QN_OK;
}

/* ---- mistakes ---- */

static double mistake_of(const struct results *r, int64_t i)
{
    const float *p = r->out + i * r->width;

    if (r->width == 1)
        return fabs((double)p[0] - r->target[i]);
    return is_class(r, r->target[i]) ? (double)p[likeliest(r, i)] - (double)p[(int64_t)r->target[i]] : 0.0;
}

/* The largest ones, those of earlier samples first. */
static void find_mistakes(struct results *r)
{
    for (int64_t i = 0; i < r->samples; i++) {
        const double size = mistake_of(r, i);
        int at = r->mistakes;

        if (!(size > 0.0))
            continue;
        while (at > 0 && size > r->worst[at - 1].size)
            at--;
        if (at == MOST_MISTAKES)
            continue;
        r->mistakes = QNI_MIN(r->mistakes + 1, MOST_MISTAKES);
        memmove(&r->worst[at + 1], &r->worst[at], (size_t)(r->mistakes - 1 - at) * sizeof(r->worst[0]));
        r->worst[at] = (struct mistake){ i, size };
    }
}

static void show_numbers(struct qni_text *t, const qn_field *f, const void *data, int64_t n)
{
    qni_text_add(t, "<p>");
    for (int64_t i = 0; i < QNI_MIN(n, MOST_NUMBERS); i++)
        if (f->dtype == QN_I32)
            qni_text_add(t, "%d ", ((const int32_t *)data)[i]);
        else
            qni_text_add(t, "%.4g ", (double)((const float *)data)[i]);
    qni_text_add(t, "%s</p>\n", n > MOST_NUMBERS ? "..." : "");
}

static bool picture_of(struct html_picture *p, const qn_field *f)
{
    const int64_t *d = f->shape.dim, channels = f->shape.rank == 3 ? d[2] : 1;

    if (f->dtype != QN_F32 || f->shape.rank < 2 || f->shape.rank > 3 || d[0] < 2 || d[1] < 2 || (channels != 1 && channels != 3))
        return false;
    *p = (struct html_picture){ .height = d[0], .width = d[1], .channels = channels, .step_y = d[1] * channels,
                                .step_x = channels, .step_channel = 1 };
    return true;
}

/* The input of a dataset's samples; -1: there is none. */
static int input_of(const qn_dataset *ds)
{
    for (int i = 0; i < qn_dataset_fields(ds); i++)
        if (qn_dataset_field(ds, i)->role == QN_FIELD_INPUT)
            return i;
    return -1;
}

/* Power to decibels, what is far below the loudest cut off. */
static void make_decibels(float *value, int64_t n)
{
    float most = 1e-10f;

    for (int64_t i = 0; i < n; i++)
        most = fmaxf(most, value[i]);
    for (int64_t i = 0; i < n; i++)
        value[i] = 10.0f * log10f(fmaxf(value[i] / most, 1e-8f));
}

/* A recording as it was before it became features: time from left to right, high frequencies above. */
static qn_status show_spectrogram(struct qni_text *t, const struct results *r, int64_t sample, const char *about)
{
    const qn_dataset *heard = r->run->data->heard;
    const int at = input_of(heard);
    const int64_t n = qni_elements(&qn_dataset_field(heard, at)->shape);
    const qn_features_opt opt = { .context = r->ctx, .kind = QN_FEATURE_MAGNITUDE, .power = 2, .fft = 200,
                                  .hop = (int)QNI_MAX(n / SPECTRA, 1) };
    void *buffer[QN_MAX_FIELDS] = { NULL };
    qn_features *spectra = NULL;
    float *value = NULL;
    int64_t frames, width;
    qn_status st;

    if ((st = qn_features_create(&spectra, &opt)))
        return st;
    frames = qn_features_frames(spectra, n);
    width = qn_features_width(spectra);
    if ((st = qni_calloc(r->ctx, &buffer[at], (size_t)n, sizeof(float))) ||
        (st = qni_calloc(r->ctx, &value, (size_t)(frames * width), sizeof(*value))) ||
        (st = qn_dataset_read(heard, &sample, 1, buffer)) || (st = qn_features_run(spectra, value, buffer[at], n)))
        goto done;
    make_decibels(value, frames * width);
    html_picture(t, &(struct html_picture){ .height = width, .width = frames, .channels = 1, .step_y = 1, .step_x = width,
                                            .upside_down = true }, value, about);
done:
    qni_free(r->ctx, &value);
    qni_free(r->ctx, &buffer[at]);
    qn_features_destroy(&spectra);
    return st;
}

/* What a user did, the oldest first. */
static void show_items(struct qni_text *t, const qn_prep *prep, const int32_t *item, int64_t n)
{
    const char *between = "";

    qni_text_add(t, "<p>");
    for (int64_t i = 0; i < n; i++) {
        if (!qn_prep_item(prep, item[i]))
            continue;
        html_text(t, between);
        html_text(t, qn_prep_item(prep, item[i]));
        between = ", ";
    }
    qni_text_add(t, "</p>\n");
}

static qn_status show_input(struct qni_text *t, const struct results *r, const qn_field *f, const void *data, int64_t sample)
{
    const qn_prep *prep = qn_model_prep(r->run->m, QN_FIELD_INPUT, 0);
    const int64_t n = qni_elements(&f->shape);
    struct html_picture p;
    char text[MOST_TEXT + 1];
    size_t bytes;

    snprintf(text, sizeof(text), "sample %lld", (long long)sample);
    if (r->run->data->heard)
        return show_spectrogram(t, r, sample, text);
    if (r->run->data->said) {
        html_element(t, "p", "%.*s", MOST_TEXT, r->run->data->said[sample]);
        return QN_OK;
    }
    if (picture_of(&p, f)) {
        html_picture(t, &p, data, text);
    } else if (qn_prep_item_count(prep) && f->dtype == QN_I32) {
        show_items(t, prep, data, n);
    } else if (qn_prep_tokenizer(prep) && f->dtype == QN_I32 &&
               !qn_tokenizer_decode(qn_prep_tokenizer(prep), data, n, text, sizeof(text), &bytes)) {
        html_element(t, "p", "%s", text);
    } else if (f->dtype == QN_F32 || f->dtype == QN_I32) {
        show_numbers(t, f, data, n);
    }
    return QN_OK;
}

static void show_mistake(struct qni_text *t, const struct results *r, const struct mistake *w)
{
    const float *p = r->out + w->sample * r->width;
    const int64_t said = likeliest(r, w->sample), is = (int64_t)r->target[w->sample];
    char a[32], b[32];

    if (r->width == 1)
        html_element(t, "p", "Sample %lld: %.6g, is %.6g", (long long)w->sample, qn_prep_undo(r->meaning, (double)p[0]),
                     qn_prep_undo(r->meaning, r->target[w->sample]));
    else
        html_element(t, "p", "Sample %lld: %s (%.2f), is %s (%.2f)", (long long)w->sample, class_name(r, said, a),
                     (double)p[said], class_name(r, is, b), (double)p[is]);
}

static qn_status show_mistakes(struct qni_text *t, const struct results *r)
{
    void *buffer[QN_MAX_FIELDS] = { NULL };
    const int at = input_of(r->test);
    const qn_field *f = at < 0 ? NULL : qn_dataset_field(r->test, at);
    qn_status st = QN_OK;

    if (at < 0)
        return QN_OK;
    html_element(t, "h2", "The worst mistakes");
    if (!r->mistakes)
        html_element(t, "p", "There are none.");
    if ((st = qni_calloc(r->ctx, &buffer[at], (size_t)qni_elements(&f->shape) + 1, qn_dtype_bytes(f->dtype))))
        return st;
    qni_text_add(t, "<div class=\"mistakes\">\n");
    for (int i = 0; i < r->mistakes && !(st = qn_dataset_read(r->test, &r->worst[i].sample, 1, buffer)); i++) {
        qni_text_add(t, "<div>");
        if ((st = show_input(t, r, f, buffer[at], r->worst[i].sample)))
            break;
        show_mistake(t, r, &r->worst[i]);
        qni_text_add(t, "</div>\n");
    }
    qni_text_add(t, "</div>\n");
    qni_free(r->ctx, &buffer[at]);
    return st;
}

/* A class or a number for each sample is what can be shown. */
static bool prepare(struct results *r)
{
    qn_shape s;

    if (qn_model_outputs(r->run->m) != 1 || qn_model_output_shape(r->run->m, 0, &s, NULL) || s.rank > 2 || r->samples < 1)
        return false;
    r->width = s.rank == 2 ? s.dim[1] : 1;
    return r->run->data->classes ? r->width > 1 && r->width == r->run->data->classes : r->width == 1;
}

qn_status page_test(struct qni_text *t, const struct page_run *run)
{
    struct results r = { .run = run, .ctx = run->m->dev->ctx, .test = run->data->test,
                         .meaning = qn_model_prep(run->m, QN_FIELD_TARGET, 0),
                         .samples = qn_dataset_samples(run->data->test) };
    qn_status st;

    if (!prepare(&r))
        return QN_OK;
    if ((st = dataset_targets(&r.target, r.ctx, r.test)) || !r.target)
        return st;
    if ((st = qni_calloc(r.ctx, &r.out, (size_t)r.samples, (size_t)r.width * sizeof(float))) ||
        (st = qn_model_predict_dataset(run->m, run->data->test, (void *[]){ r.out }, (int)run->batch)))
        goto done;
    if (r.width > 1 && (st = show_confusion(t, &r)))
        goto done;
    find_mistakes(&r);
    st = show_mistakes(t, &r);
done:
    qni_free(r.ctx, &r.out);
    qn_context_free(r.ctx, r.target);
    return st;
}
