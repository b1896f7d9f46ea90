/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * BLEU as counted by hand, and as sacrebleu has it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "harness/test.h"

#define MOST 64

static void by_hand(void)
{
    /* Papineni et al. 2002, example 2: "the" is there twice in a reference, so two of seven match. */
    const char *text[] = { "the the the the the the the", "It is a guide to action which ensures that the military always obeys" };
    const char *reference[] = { "The cat is on the mat", "There is a cat on the mat", "the cat the dog", "no word of it here !" };
    const int64_t match[] = { 2, 0, 0, 0 }, total[] = { 7, 6, 5, 4 };
    qn_bleu b;

    CHECK_OK(qn_text_bleu(&b, text, reference + 1, 2, 1));
    for (int i = 0; i < QN_BLEU_ORDERS; i++) {
        CHECK_INT(b.match[i], match[i]);
        CHECK_INT(b.total[i], total[i]);
    }
    CHECK(b.score == 0 && b.brevity == 1 && b.length == 7 && b.reference_length == 7);
    CHECK(fabs(b.precision[0] - 200.0 / 7) < 1e-12);

    /* a b c d e against a b c d f g: 4 of 5, 3 of 4, 2 of 3, 1 of 2; one word short. */
    CHECK_OK(qn_text_bleu(&b, (const char *[]){ "a b c d e" }, (const char *[]){ "a b c d f g" }, 1, 1));
    CHECK(fabs(b.brevity - exp(1 - 6.0 / 5)) < 1e-12);
    CHECK(fabs(b.score - 100 * exp(-0.2) * pow(4.0 / 5 * 3 / 4 * 2 / 3 * 1 / 2, 0.25)) < 1e-9);

    /* Two texts are counted together; the nearest reference counts, of equally near ones the shorter. */
    CHECK_OK(qn_text_bleu(&b, (const char *[]){ "a b c d", "p q" },
                          (const char *[]){ "a b c d e", "a b c", "p q", NULL }, 2, 2));
    CHECK(b.length == 6 && b.reference_length == 5 && b.match[0] == 6 && b.match[1] == 4 && b.total[3] == 1);
    CHECK(fabs(b.score - 100) < 1e-9);

    CHECK_OK(qn_text_bleu(&b, NULL, NULL, 1, 0));
    CHECK(b.score == 0 && b.length == 0);
    CHECK_OK(qn_text_bleu(&b, (const char *[]){ "" }, (const char *[]){ "a" }, 1, 1));
    CHECK(b.score == 0 && b.brevity == 0);
}

/* How many words a text has, by its runs of one. */
static void words(void)
{
    static const struct { const char *text; int words; } cases[] = {
        { "", 0 }, { " \t\n ", 0 }, { "don't", 1 }, { "a-b", 1 }, { "5-b", 3 }, { "1,000.5", 1 }, { "1,a", 3 }, { "a.b", 3 },
        { "a,,b", 4 }, { "..", 2 }, { "a.", 2 }, { ".5", 2 }, { "5.", 2 }, { "(a)", 3 }, { "&quot;a&quot;", 3 }, { "&amp;lt;", 1 },
        { "a<skipped>b", 1 }, { "a-\nb", 1 }, { "a\nb", 2 }, { "\xc3\xa9t\xc3\xa9.", 2 }, { "quoi\xc2\xa0?", 2 },
        { "quoi\xe2\x80\xaf!", 2 }, { "\xe4\xbd\xa0\xe5\xa5\xbd", 1 }, { "$5", 2 }, { "a_b", 3 },
    };
    qn_bleu b;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_OK(qn_text_bleu(&b, &cases[i].text, (const char *[]){ "a" }, 1, 1));
        CHECK_INT(b.length, cases[i].words);
    }
}

/* ---- sacrebleu ---- */

struct fixture {
    char line[MOST][512];
    const char *text[MOST], *reference[3 * MOST];
    int texts, references;
};

/* A text, and its references behind bars; an empty one is none. */
static void take_line(struct fixture *x)
{
    char *at = x->line[x->texts], *next;

    x->text[x->texts] = at;
    for (int i = 0; i < x->references; i++) {
        if (!(next = strchr(at, '|'))) {
            test_fail(__FILE__, __LINE__, "line %d has no reference %d", x->texts, i);
            return;
        }
        *next++ = '\0';
        at = next;
        x->reference[x->texts * x->references + i] = at;
    }
    x->texts++;
    for (int i = 0; i < x->references; i++) {
        const char **r = &x->reference[(x->texts - 1) * x->references + i];

        *r = **r ? *r : NULL;
    }
}

static void check_fixture(struct fixture *x, const char *line)
{
    double score, brevity, precision[QN_BLEU_ORDERS];
    long length, reference_length;
    qn_bleu b;

    CHECK_INT(sscanf(line, "= %lf %lf %ld %ld %lf %lf %lf %lf", &score, &brevity, &length, &reference_length, &precision[0],
                     &precision[1], &precision[2], &precision[3]), 8);
    CHECK_OK(qn_text_bleu(&b, x->text, x->reference, x->references, x->texts));
    CHECK_INT(b.length, length);
    CHECK_INT(b.reference_length, reference_length);
    CHECK(fabs(b.score - score) < 1e-9 && fabs(b.brevity - brevity) < 1e-12);
    for (int i = 0; i < QN_BLEU_ORDERS; i++)
        CHECK(fabs(b.precision[i] - precision[i]) < 1e-9);
}

static void sacrebleu(void)
{
    static struct fixture x;
    FILE *file = fopen(TEST_SOURCE_DIR "/tests/fixtures/bleu.txt", "r");
    char line[512];
    int checked = 0;

    if (!file) {
        test_fail(__FILE__, __LINE__, "tests/fixtures/bleu.txt cannot be opened");
        return;
    }
    while (fgets(line, sizeof(line), file) && x.texts < MOST) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '=') {
            check_fixture(&x, line);
            checked++;
        } else if (line[0] == '*') {
            x.texts = 0;
            x.references = line[1] - '0';
        } else {
            memcpy(x.line[x.texts], line, sizeof(line));
            take_line(&x);
        }
    }
    fclose(file);
    CHECK_INT(checked, 4);
}

static void mistakes(void)
{
    const char *text[] = { "a", "\xff" }, *reference[] = { "a", NULL, "a", "\xc3" };
    qn_bleu b = { .score = 7 };

    CHECK_STATUS(qn_text_bleu(NULL, text, reference, 1, 1), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_text_bleu(&b, NULL, reference, 1, 1), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_text_bleu(&b, text, NULL, 1, 1), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_text_bleu(&b, text, reference, 0, 1), QN_E_ARG, "0 references");
    CHECK_STATUS(qn_text_bleu(&b, text, reference, 1, -1), QN_E_ARG, "-1 texts");
    CHECK_STATUS(qn_text_bleu(&b, text, reference + 1, 1, 1), QN_E_ARG, "text 0 has no reference");
    CHECK_STATUS(qn_text_bleu(&b, reference + 1, text, 1, 1), QN_E_ARG, "translation 0");
    CHECK_STATUS(qn_text_bleu(&b, text, (const char *[]){ "a", "a" }, 1, 2), QN_E_FORMAT, "translation 1");
    CHECK_STATUS(qn_text_bleu(&b, text, reference + 2, 2, 1), QN_E_FORMAT, "reference 1 of text 0");
    CHECK(b.score == 7); /* left as it was */
}

int main(void)
{
    test_run("bleu: as counted by hand", by_hand);
    test_run("bleu: words", words);
    test_run("bleu: as sacrebleu", sacrebleu);
    test_run("bleu: arguments that are none", mistakes);
    return test_end();
}
