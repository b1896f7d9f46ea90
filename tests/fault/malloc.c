/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What takes no context has its memory from the C library. Here malloc is this program's: every request fails once. */
#include <stdbool.h>
#include <stdlib.h>

#include <quern/context.h>
#include <quern/data_text.h>
#include <quern/generate.h>

#include "base/base.h"
#include "test.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void __libc_free(void *p);

static __thread bool counting;
static __thread int countdown, blocks;

void *malloc(size_t bytes)
{
    void *p = !counting || countdown-- > 0 ? __libc_malloc(bytes) : NULL;

    blocks += counting && p;
    return p;
}

void *calloc(size_t n, size_t bytes) /* clang asks for it where zeros follow malloc */
{
    void *p = !counting || countdown-- > 0 ? __libc_calloc(n, bytes) : NULL;

    blocks += counting && p;
    return p;
}

void *realloc(void *old, size_t bytes)
{
    void *p = !counting || countdown-- > 0 ? __libc_realloc(old, bytes) : NULL;

    blocks += counting && p && !old;
    return p;
}

void free(void *p)
{
    blocks -= counting && p;
    __libc_free(p);
}

static qn_status try_bleu(void)
{
    qn_bleu bleu = { 0 };
    const qn_status st = qn_text_bleu(&bleu, (const char *const[]){ "the cat sat on the mat &amp; slept", "no" },
                                      (const char *const[]){ "a cat sat on the mat", "the cat sat there", "no", NULL }, 2, 2);

    if (!st)
        CHECK_INT(bleu.match[0], 6);
    return st;
}

static qn_status try_draw(void)
{
    int32_t drawn = -1;
    const qn_status st = qn_sampling_draw(&drawn, (const float[]){ 1, 2, 0.5f }, 3, &(qn_sampling){ .top_k = 2 }, 1);

    CHECK(st || drawn == 0 || drawn == 1);
    return st;
}

static qn_status try_tokenizer(void)
{
    qn_tokenizer *t = NULL;
    qn_status st = qn_tokenizer_create(&t, NULL);

    if (!st)
        st = qn_tokenizer_fit(t, (const char *const[]){ "a b", "c" }, 2);
    qn_tokenizer_destroy(&t);
    return st;
}

static const struct attempt {
    const char *name;
    qn_status (*f)(void);
    int least; /* requests that it surely makes */
} attempts[] = {
    { "malloc fails: BLEU", try_bleu, 10 },
    { "malloc fails: drawing a number", try_draw, 3 },
    { "malloc fails: a tokenizer without a context", try_tokenizer, 5 },
};

static void each(const void *arg)
{
    const struct attempt *a = arg;
    qn_status st = QN_E_HOST_MEMORY;
    int n = 0;

    CHECK_OK(a->f());
    for (; st == QN_E_HOST_MEMORY && !test_failed(); n++) {
        countdown = n;
        blocks = 0;
        counting = true;
        st = a->f();
        counting = false;
        CHECK_INT(blocks, 0);
        if (st)
            CHECK_STATUS(st, QN_E_HOST_MEMORY, "memory");
    }
    CHECK_OK(st);
    if (n <= a->least)
        test_fail(__FILE__, __LINE__, "only %d requests", n);
}

int main(void)
{
    for (size_t i = 0; i < QNI_COUNT(attempts); i++)
        test_run_with(attempts[i].name, each, &attempts[i]);
    return test_end();
}

#else

static void none(void)
{
    test_skip("malloc cannot be replaced here");
}

int main(void)
{
    test_run("malloc fails", none);
    return test_end();
}

#endif
