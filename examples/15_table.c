/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 15: a table, from its file to a prediction in its units; gradient descent three ways, side by side, and a hidden layer.
 *
 * The table's rows are split, the preparation is fitted to those that are trained on, and it is saved with the model, so
 * that a loaded model prepares a row as the training did. */
#include <quern/quern.h>

#include <stdio.h>

enum { LABEL = 12, EPOCHS = 20 };

/* Linear regression; with hidden units a multi-layer perceptron. */
static qn_status build(qn_model **m, qn_device *dev, const qn_prep *row, float rate, int hidden)
{
    const qn_shape *s = &qn_prep_field(row)->shape;
    qn_status st = qn_model_create(m, dev);
    qn_val x;

    if (st)
        return st;
    x = qn_input(*m, QN_F32, s->rank, s->dim);
    if (hidden)
        x = qn_dense(*m, x, &(qn_dense_opt){ .units = hidden, .act = QN_RELU });
    qn_model_output(*m, qn_dense(*m, x, &(qn_dense_opt){ .units = 1 }));
    return qn_model_compile(*m, &(qn_compile_opt){ .optimizer = qn_sgd(rate), .loss = QN_MSE, .metrics = { QN_METRIC_MAE } });
}

/* The same network with batches of one row, of all rows at once, and of 32; and with those a larger one, which stays. */
static qn_status descend(qn_model **m, qn_device *dev, const qn_prep *row, qn_dataset *train, qn_dataset *test)
{
    const struct { const char *name; int batch; float rate; int hidden; } ways[4] = {
        { "stochastic", 1, 0.002f, 0 }, { "full batch", (int)qn_dataset_samples(train), 0.1f, 0 }, { "mini-batch", 32, 0.03f, 0 },
        { "mini-batch, 32 hidden units", 32, 0.03f, 32 },
    };
    qn_history *h = NULL;
    qn_logs logs;
    qn_status st = QN_OK;

    for (int i = 0; i < 4 && !st; i++) {
        qn_model_destroy(m);
        if (!(st = build(m, dev, row, ways[i].rate, ways[i].hidden)) &&
            !(st = qn_model_fit_history(*m, train, &(qn_fit_opt){ .epochs = EPOCHS, .batch = ways[i].batch }, &h)) &&
            !(st = qn_model_evaluate(*m, test, 64, &logs)))
            printf("%s: %lld steps, squared error %.4f, absolute error %.4f\n", ways[i].name, (long long)h->steps,
                   qn_logs_get(&logs, "loss"), qn_logs_get(&logs, "mae"));
        qn_history_free(&h, *m);
    }
    return st;
}

/* As another program would, that has nothing but the file. */
static qn_status ask(qn_device *dev, const char *path)
{
    static const char *const wine[] = { "7.4", "0.7", "0", "1.9", "0.076", "11", "34", "0.9978", "3.51", "?", "9.4" };
    qn_model *m = NULL;
    float x[11], y = 0;
    qn_status st;

    if (!(st = qn_model_load(&m, dev, path)) &&
        !(st = qn_prep_run(qn_model_prep(m, QN_FIELD_INPUT, 0), &(qn_raw){ .cell = wine, .cells = 11 }, x)) &&
        !(st = qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ &y }, 1)))
        printf("a wine with a missing value: quality %.1f\n", qn_prep_undo(qn_model_prep(m, QN_FIELD_TARGET, 0), (double)y));
    qn_model_destroy(&m);
    return st;
}

int main(int argc, char **argv)
{
    char said[512];
    int64_t row[2][4096];
    size_t bytes;
    qn_table *t = NULL;
    qn_prep *in = NULL, *quality = NULL;
    qn_dataset *part[2] = { NULL };
    qn_device *dev = NULL;
    qn_model *m = NULL;
    int64_t rows, n[2] = { 0, 0 };
    qn_status st;

    if (argc != 3) {
        fprintf(stderr, "usage: 15_table winequality-red.csv MODEL\n");
        return 2;
    }
    if ((st = qn_table_read(&t, argv[1], NULL)) || (st = qn_table_report(t, said, sizeof(said), &bytes)))
        goto done;
    printf("%s", said);
    rows = qn_table_rows(t) < 4096 ? qn_table_rows(t) : 4096;
    for (int64_t i = 0; i < rows; i++) /* every fifth for testing; qn_dataset_divide() draws at random */
        row[i % 5 == 4][n[i % 5 == 4]++] = i;
    if ((st = qn_prep_table(&in, t, row[0], n[0], &(qn_prep_table_opt){ .label = LABEL })) ||
        (st = qn_prep_number(&quality, NULL, "quality", 5.6, 1)))
        goto done;
    for (int i = 0; i < 2 && !st; i++)
        st = qn_dataset_table(&part[i], t, in, &(qn_dataset_table_opt){ .row = row[i], .rows = n[i], .target = quality,
                                                                        .label = LABEL });
    if (st || (st = qn_device_open(&dev, NULL, NULL)) || (st = descend(&m, dev, in, part[0], part[1])) ||
        (st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, in)) || (st = qn_model_set_prep(m, QN_FIELD_TARGET, 0, quality)) ||
        (st = qn_model_save(m, argv[2])))
        goto done;
    st = ask(dev, argv[2]);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    qn_prep_release(&in);
    qn_prep_release(&quality);
    qn_table_destroy(&t);
    qn_device_close(&dev);
    return st != QN_OK;
}
