/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern train: a network by name on a data set by name. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/device.h"
#include "page.h"

struct job {
    const char *model, *device, *save, *resume, *report, *target;
    struct dataset_options data;
    int64_t epochs, batch, seed;
    double lr;
    qn_matmul matmul;
    bool json, quiet;
    const struct task *task; /* NULL: only --resume says it, and this command does not know it */
};

struct state {
    struct job *job;
    qn_context *ctx;
    qn_device *dev;
    qn_device_info device;
    struct dataset data;
    qn_model *m;
    qn_history *history;
    struct page *page; /* NULL: none is asked for */
};

/* An object of the numbers in logs; prefix goes before their names. */
static void add_logs(struct json *j, const qn_logs *logs, const char *prefix)
{
    for (int i = 0; i < logs->n; i++) {
        char key[64];

        snprintf(key, sizeof(key), "%s%s", prefix, logs->name[i]);
        json_real(j, key, logs->value[i]);
    }
}

static qn_status print_epoch(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    struct json j = { .out = stdout };

    (void)user;
    (void)m;
    (void)stop;
    if (p->event != QN_EVENT_EPOCH_END)
        return QN_OK;
    json_object(&j, NULL);
    json_text(&j, "event", "epoch");
    json_int(&j, "epoch", p->epoch + 1);
    add_logs(&j, p->logs, "");
    json_real(&j, "samples_per_s", p->samples_per_s);
    json_real(&j, "waited", p->waited);
    json_object_end(&j);
    fflush(stdout);
    return QN_OK;
}

static const char *sample_text(const qn_shape *s, char *text, size_t bytes)
{
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < s->rank && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, "%s%lld", i ? "x" : "", (long long)s->dim[i]);
    return text;
}

static qn_status show_start(const struct state *s)
{
    char shape[96], classes[48] = "one number", words[2048];

    if (s->data.classes)
        snprintf(classes, sizeof(classes), "%lld classes", (long long)s->data.classes);
    printf("Device: %s %s (%s)\n", s->device.platform, s->device.name, s->device.driver);
    printf("Data: %s, %lld samples to train on and %lld to test with, each %s; %s\n\n", s->job->data.name,
           (long long)qn_dataset_samples(s->data.train), (long long)qn_dataset_samples(s->data.test),
           sample_text(&s->data.sample, shape, sizeof(shape)), classes);
    if (s->data.report)
        printf("%s", s->data.report);
    if (qn_model_prep(s->m, QN_FIELD_INPUT, 0))
        printf("Input: %s\n\n", qn_prep_describe(qn_model_prep(s->m, QN_FIELD_INPUT, 0), words, sizeof(words)));
    return qn_model_summary(s->m, stdout);
}

/* The saved model must be of the kind that was named: the same weights. */
static qn_status check_saved(const struct state *s)
{
    qn_model *named = NULL;
    char text[256];
    bool same;
    qn_status st;

    if (!(st = task_build(&named, s->dev, s->job->task, &s->data)))
        st = task_compile(named, s->job->task, &s->data, &(struct training){ 0 });
    same = !st && qn_model_weights(named) == qn_model_weights(s->m);
    for (int i = 0; same && i < qn_model_weights(named); i++) {
        qn_shape a, b;

        same = !qn_model_weight_info(named, i, NULL, &a, NULL) && !qn_model_weight_info(s->m, i, NULL, &b, NULL) &&
               a.rank == b.rank;
        for (int k = 0; same && k < a.rank; k++)
            same = a.dim[k] == b.dim[k];
    }
    qn_model_destroy(&named);
    if (st || same)
        return st;
    snprintf(text, sizeof(text), "the model in %.150s is not %s for these data", s->job->resume, s->job->model);
    return qn_error_set(QN_E_ARG, text);
}

/* A saved model of text knows its own characters. */
static qn_status check_vocabulary(const struct state *s)
{
    const char *saved = qn_model_note(s->m, "vocabulary"), *found = s->data.vocabulary;
    char text[256];

    if ((!saved && !found) || (saved && found && !strcmp(saved, found)))
        return QN_OK;
    snprintf(text, sizeof(text), "the model in %.150s was trained on other characters than these data have", s->job->resume);
    return qn_error_set(QN_E_ARG, text);
}

static qn_status check_model(const struct state *s)
{
    qn_status st = s->job->model ? check_saved(s) : QN_OK;

    if (st || (st = check_vocabulary(s)))
        return st;
    return s->job->lr > 0.0 ? qn_model_set_lr(s->m, (float)s->job->lr) : QN_OK;
}

static qn_status make_model(struct state *s)
{
    const struct job *job = s->job;
    const int64_t batches = (qn_dataset_samples(s->data.train) + job->batch - 1) / job->batch;
    qn_status st;

    if ((st = task_build(&s->m, s->dev, job->task, &s->data)))
        return st;
    return task_compile(s->m, job->task, &s->data, &(struct training){ .lr = (float)job->lr, .steps = job->epochs * batches,
                                                                       .epoch = batches, .seed = (uint64_t)job->seed });
}

/* What the model has no number for is the command's. */
static void set_defaults(struct job *job)
{
    const struct task *t = job->task;

    if (!job->epochs)
        job->epochs = t && t->epochs ? t->epochs : 10;
    if (!job->batch)
        job->batch = t && t->batch ? t->batch : 64;
}

/* The data, and a new model or the saved one. */
static qn_status prepare(struct state *s)
{
    struct job *job = s->job;
    qn_status st;

    if (job->resume && (st = qn_model_load(&s->m, s->dev, job->resume)))
        return st;
    if (job->resume && !job->model)
        job->task = tasks_find(qn_model_note(s->m, "task"));
    set_defaults(job);
    job->data.model = s->m;
    if ((st = dataset_open(&s->data, s->ctx, job->task, &job->data, true)))
        return st;
    return job->resume ? check_model(s) : make_model(s);
}

static qn_status fit(struct state *s)
{
    const struct job *job = s->job;
    int64_t done = qn_model_epochs(s->m);
    qn_callback callbacks[4] = { signals_callback() };
    int n = 1, saver = 0;
    qn_status st = QN_OK;

    if (done >= job->epochs) {
        if (!job->json)
            printf("\n%s has been trained for %lld epochs: --epochs counts from the first\n", job->resume,
                   (long long)done);
        return QN_OK;
    }
    if (job->json)
        callbacks[n++] = (qn_callback){ .call = print_epoch };
    if (s->page)
        callbacks[n++] = page_callback(s->page);
    if (job->save) {
        saver = n;
        st = qn_checkpoint(&callbacks[n++], s->m, job->save, NULL);
    }
    if (!job->json && !job->quiet)
        printf("\n");
    fflush(stdout);
    if (!st)
        st = qn_model_fit_history(s->m, s->data.train,
                                  &(qn_fit_opt){ .epochs = (int)(job->epochs - done), .first_epoch = (int)done,
                                                 .batch = (int)job->batch, .validation = s->data.test,
                                                 .callbacks = callbacks, .callback_count = n,
                                                 .progress = job->json || job->quiet ? NULL : stdout },
                                  &s->history);
    if (saver)
        qn_callback_close(&callbacks[saver]);
    return st;
}

/* What the task says of the test part beside its loss and metric. */
static void show_judgement(const qn_logs *test)
{
    int shown = 0;

    for (int i = 0; i < test->n; i++)
        if (strcmp(test->name[i], "loss") && strcmp(test->name[i], "accuracy") && strcmp(test->name[i], "mae"))
            printf("%s%s %.4f", shown++ ? ", " : "Test ", test->name[i], test->value[i]);
    if (shown)
        printf("\n");
}

static void show_end(const struct state *s, const qn_logs *test)
{
    int64_t steps = s->history ? s->history->steps : 0;
    double accuracy = qn_logs_get(test, "accuracy"), seconds = s->history ? s->history->seconds : 0.0;
    uint64_t peak = 0;

    qn_device_memory(s->dev, NULL, &peak);
    if (s->job->json) {
        struct json j = { .out = stdout };

        json_object(&j, NULL);
        json_text(&j, "event", "done");
        add_logs(&j, test, "test_");
        json_real(&j, "seconds", seconds);
        json_real(&j, "waited", s->history ? s->history->waited : 0.0);
        json_int(&j, "skipped", s->data.skipped);
        json_int(&j, "steps", steps);
        json_uint(&j, "device_peak_bytes", peak);
        json_text(&j, "device", s->device.name);
        json_object_end(&j);
        return;
    }
    if (!s->job->quiet)
        printf("\n%lld steps in %.1f s, %.1f %% of it waiting for data; at most %.1f MiB of device memory\n", (long long)steps,
               seconds, s->history ? 100.0 * s->history->waited : 0.0, (double)peak / 1048576.0);
    if (!isnan(accuracy))
        printf("Test accuracy %.2f %%, test loss %.4f\n", 100.0 * accuracy, qn_logs_get(test, "loss"));
    else
        printf("Test loss %.6g, mean absolute error %.6g\n", qn_logs_get(test, "loss"), qn_logs_get(test, "mae"));
    show_judgement(test);
}

static void show_interrupted(const struct state *s)
{
    int64_t steps = s->history ? s->history->steps : 0;

    if (s->job->json) {
        struct json j = { .out = stdout };

        json_object(&j, NULL);
        json_text(&j, "event", "interrupted");
        json_int(&j, "signal", signals_caught());
        json_int(&j, "steps", steps);
        json_text(&j, "saved", s->job->save);
        json_object_end(&j);
    } else {
        printf("\nEnded early after %lld steps; %s%s\n", (long long)steps,
               s->job->save ? "saved as " : "nothing is saved", s->job->save ? s->job->save : "");
    }
}

/* A place that nothing can be saved to is found before an epoch is spent on it. */
static qn_status check_save(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[1024], text[1200];
    struct stat about;
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    int err = 0;

    if (n >= sizeof(folder) || !path[n])
        err = n >= sizeof(folder) ? ENAMETOOLONG : EISDIR;
    snprintf(folder, sizeof(folder), "%.*s", n ? (int)n : 1, n ? path : ".");
    if (!err && access(folder, W_OK | X_OK))
        err = errno;
    if (!err && !stat(path, &about) && S_ISDIR(about.st_mode))
        err = EISDIR;
    if (!err)
        return QN_OK;
    snprintf(text, sizeof(text), "%.1000s: nothing can be saved there: %s", path, strerror(err));
    return qn_error_set(QN_E_IO, text);
}

/* Saved with the model, for quern inspect. */
static qn_status note_device(const struct state *s)
{
    char text[1024];

    snprintf(text, sizeof(text), "%s %s (%s)", s->device.platform, s->device.name, s->device.driver);
    return qn_model_set_note(s->m, "trained on", text);
}

static qn_status open_page(struct state *s)
{
    const struct job *job = s->job;

    return page_open(&s->page, &(struct page_run){ .m = s->m, .device = &s->device, .data = &s->data, .path = job->report,
                                                   .data_name = job->data.name, .batch = job->batch, .epochs = job->epochs,
                                                   .task = job->task, .file = job->resume,
                                                   .model_name = job->model ? job->model : qn_model_note(s->m, "task") });
}

static qn_status train(struct state *s)
{
    const struct job *job = s->job;
    qn_logs test = { 0 };
    qn_status st;

    if ((job->save && (st = check_save(job->save))) || (job->report && (st = check_save(job->report))))
        return st;
    if ((st = open_rounding_device(&s->ctx, &s->dev, job->device, job->matmul)) ||
        (st = qn_device_get_info(s->dev, &s->device)) ||
        (st = prepare(s)))
        return st;
    if (!job->json && !job->quiet && (st = show_start(s)))
        return st;
    if ((st = note_device(s)) || (job->report && (st = open_page(s))))
        return st;
    signals_begin(s->m);
    st = fit(s);
    if (st == QN_E_CANCELLED && signals_caught())
        st = QN_OK;
    if (!st && job->save)
        st = qn_model_save(s->m, job->save);
    if (!st && !signals_caught())
        st = task_evaluate(s->m, job->task, &s->data, (int)job->batch, &test);
    if (!st && s->page && !signals_caught())
        st = page_end(s->page, &test);
    if (st == QN_E_CANCELLED && signals_caught())
        st = QN_OK;
    if (!st && s->page && signals_caught())
        st = page_end(s->page, NULL);
    signals_end();
    if (st)
        return s->page ? page_fail(s->page, st) : st;
    if (signals_caught())
        show_interrupted(s);
    else
        show_end(s, &test);
    return QN_OK;
}

static int check(const struct usage *u, const struct job *job)
{
    if (!job->model && !job->resume)
        return usage_error(u, "a model is missing");
    if (job->model && !job->task) {
        char names[256];

        return usage_error(u, "there is no model %s: choose one of %s", job->model, tasks_names(names, sizeof(names)));
    }
    if (!job->data.name)
        return usage_error(u, "--data is missing");
    if (job->epochs < 0 || job->epochs > 1000000 || job->batch < 0 || job->batch > 1 << 20)
        return usage_error(u, "--epochs and --batch are 0 or more");
    if (job->data.keep_mib < 0 || job->data.keep_mib > 1 << 30)
        return usage_error(u, "--keep is 0 or more");
    if (!(job->lr >= 0.0) || job->seed < 0 || !(job->data.split > 0.0 && job->data.split < 1.0))
        return usage_error(u, "--lr and --seed are 0 or more, --split lies between 0 and 1");
    if (strcmp(job->target, "class") && strcmp(job->target, "number"))
        return usage_error(u, "--target is class or number");
    return EXIT_DONE;
}

static int run(int argc, char **argv)
{
    struct job job = { .target = "class", .data.split = 0.2, .data.keep_mib = DATASET_KEEP_MIB };
    const char *matmul = NULL;
    const struct option options[] = {
        { "data", OPTION_TEXT, &job.data.name, "DATA", "what to train and test with, see above" },
        { "data-dir", OPTION_TEXT, &job.data.dir, "DIR", "where the sets that are known by name lie; else $QUERN_DATA" },
        { "epochs", OPTION_INT, &job.epochs, "N", "passes over the data, those before --resume included; 0: what suits MODEL" },
        { "batch", OPTION_INT, &job.batch, "N", "samples a step; 0: what suits MODEL" },
        { "lr", OPTION_REAL, &job.lr, "X", "learning rate; 0: what suits MODEL, or as saved" },
        { "seed", OPTION_INT, &job.seed, "N", "of weights and shuffling" },
        { "device", OPTION_TEXT, &job.device, "S", "see quern devices" },
        { "matmul", OPTION_TEXT, &matmul, "TYPE", "what operands may be rounded to: tf32, bf16, f16; else $QUERN_MATMUL" },
        { "save", OPTION_TEXT, &job.save, "FILE", "keep the model here, after every epoch and at the end" },
        { "resume", OPTION_TEXT, &job.resume, "FILE", "go on with a saved model; MODEL may be left out" },
        { "report", OPTION_TEXT, &job.report, "FILE.html", "a page that shows the run, written anew after every epoch" },
        { "label", OPTION_TEXT, &job.data.label, "COLUMN",
          "csv: the label's, by number from 1 or name; else the last" },
        { "target", OPTION_TEXT, &job.target, "KIND", "csv: the label is a class or a number" },
        { "split", OPTION_REAL, &job.data.split, "X", "share of the samples kept for testing where the data have no parts" },
        { "encoding", OPTION_TEXT, &job.data.encoding, "NAME", "lines: of the files, such as ISO-8859-1; else UTF-8" },
        { "hold-out", OPTION_TEXT, &job.data.hold_out, "PART",
          "sounds: test with the files whose names have _PART_, and no others" },
        { "keep", OPTION_INT, &job.data.keep_mib, "N", "do not keep files of more than N MiB in memory, but read them again" },
        { "skip-bad", OPTION_FLAG, &job.data.skip_bad, NULL, "go on without what cannot be read, and count it" },
        { "json", OPTION_FLAG, &job.json, NULL, "one object a line: each epoch, then the end" },
        { "quiet", OPTION_FLAG, &job.quiet, NULL, "the result alone" },
    };
    const struct choices choices[] = { { "MODEL is one of", tasks_name }, { "DATA is one of", dataset_name } };
    const struct usage usage = {
        "train", "MODEL --data DATA [options]",
        "Train a network and test it. The last layer and the loss follow from the data. SIGINT and SIGTERM end\n"
        "the run after the current batch, with what is trained saved if --save is given; a second one ends it\n"
        "at once.\n\n"
        "Exit status: 0 trained and tested, 1 failed, 2 wrong command line, 3 no device, 130 and 143 ended\n"
        "early by SIGINT and SIGTERM.\n",
        options, sizeof(options) / sizeof(options[0]), choices, sizeof(choices) / sizeof(choices[0]),
    };
    struct state s = { .job = &job };
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc > 2)
        return usage_error(&usage, "unexpected argument %s", argv[2]);
    job.model = argc > 1 ? argv[1] : NULL;
    job.task = tasks_find(job.model);
    if (matmul && !qni_matmul_read(&job.matmul, matmul))
        return usage_error(&usage, "--matmul is %s, expected f32, tf32, bf16 or f16", matmul);
    if ((code = check(&usage, &job)))
        return code;
    job.data.number = !strcmp(job.target, "number");
    st = train(&s);
    if (st)
        code = report("train", st);
    else if (signals_caught())
        code = EXIT_SIGNAL + signals_caught();
    page_close(&s.page);
    qn_history_free(&s.history, s.m);
    qn_model_destroy(&s.m);
    dataset_close(&s.data);
    qn_device_close(&s.dev);
    qn_context_destroy(&s.ctx);
    return code;
}

const struct command command_train = { "train", run, "train a network on a data set" };
