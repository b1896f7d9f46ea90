/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern generate: what a model of text writes. */
#include <string.h>

#include <quern/generate.h>

#include "models.h"

struct job {
    const char *file, *device, *prompt;
    int64_t tokens, top_k, seed;
    double temperature, top_p;
    bool greedy;
};

struct state {
    qn_context *ctx;
    qn_device *dev;
    qn_model *m;
    int32_t *prompt;
};

struct writer { const char *vocabulary; };

/* Characters appear as they are drawn. */
static qn_status write_one(void *user, int32_t number, bool *stop)
{
    const struct writer *w = user;
    char text[5];

    (void)stop;
    qn_text_decode(w->vocabulary, number, text);
    fputs(text, stdout);
    fflush(stdout);
    return QN_OK;
}

static qn_status generate(struct state *s, const struct job *job)
{
    struct writer w = { 0 };
    const qn_generate_opt opt = {
        .sampling = { .greedy = job->greedy, .temperature = (float)job->temperature, .top_k = (int)job->top_k,
                      .top_p = (float)job->top_p, .seed = (uint64_t)job->seed },
        .call = write_one, .user = &w,
    };
    const char *prompt = job->prompt;
    char first[5];
    int64_t n = 0;
    qn_status st;

    if ((st = open_device(&s->ctx, &s->dev, job->device)) || (st = qn_model_load(&s->m, s->dev, job->file)))
        return st;
    if (!(w.vocabulary = qn_model_note(s->m, "vocabulary")))
        return qn_error_set(QN_E_ARG, "the model has no vocabulary: it was not trained on a text");
    if (!*prompt) { /* something has to be there to continue: the vocabulary's first, in most texts the line's end */
        qn_text_decode(w.vocabulary, 0, first);
        prompt = first;
    }
    if (!(s->prompt = qn_context_alloc(s->ctx, (strlen(prompt) + 1) * sizeof(*s->prompt))))
        return QN_E_HOST_MEMORY;
    if ((st = qn_text_encode(w.vocabulary, prompt, s->prompt, (int64_t)strlen(prompt), &n)))
        return st;
    fputs(job->prompt, stdout);
    signals_begin(s->m);
    st = qn_generate(s->m, s->prompt, n, NULL, job->tokens, NULL, &opt);
    signals_end();
    printf("\n");
    return st;
}

static int run(int argc, char **argv)
{
    struct job job = { .tokens = 500, .temperature = 0.8, .prompt = "" };
    const struct option options[] = {
        { "prompt", OPTION_TEXT, &job.prompt, "TEXT", "what to continue" },
        { "tokens", OPTION_INT, &job.tokens, "N", "characters to write" },
        { "temperature", OPTION_REAL, &job.temperature, "X", "above 1 bolder, below 1 safer" },
        { "top-k", OPTION_INT, &job.top_k, "K", "only the K likeliest; 0: all" },
        { "top-p", OPTION_REAL, &job.top_p, "P", "only the likeliest that together reach P; 0: all" },
        { "greedy", OPTION_FLAG, &job.greedy, NULL, "always the likeliest" },
        { "seed", OPTION_INT, &job.seed, "N", "equal seeds write equal texts" },
        { "device", OPTION_TEXT, &job.device, "S", "see quern devices" },
    };
    const struct usage usage = {
        "generate", "FILE [options]",
        "Continue a text with a model that quern train saved after training on text:FILE.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device, 130 and 143 ended by a signal.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    struct state s = { 0 };
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc != 2)
        return usage_error(&usage, argc < 2 ? "the model's file is missing" : "unexpected argument %s", argv[argc - 1]);
    if (job.tokens < 0 || !(job.temperature > 0.0) || job.top_k < 0 || job.top_k > INT32_MAX ||
        !(job.top_p >= 0.0 && job.top_p <= 1.0) || job.seed < 0)
        return usage_error(&usage, "an option is out of range");
    job.file = argv[1];
    st = generate(&s, &job);
    code = signals_exit("generate", st);
    if (s.ctx)
        qn_context_free(s.ctx, s.prompt);
    qn_model_destroy(&s.m);
    qn_device_close(&s.dev);
    qn_context_destroy(&s.ctx);
    return code;
}

const struct command command_generate = { "generate", run, "what a model of text writes" };
