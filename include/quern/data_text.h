/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Text: from words, characters or pairs of bytes to numbers and back. Texts are
 * UTF-8; others are converted first. */
#ifndef QUERN_DATA_TEXT_H
#define QUERN_DATA_TEXT_H

#include <quern/data.h>

QN_BEGIN_DECLS

/** What a tokenizer numbers. */
typedef enum qn_token_kind {
    QN_TOKENS_WORDS = 0,      /**< words between blanks, as Keras's Tokenizer */
    QN_TOKENS_CHARACTERS = 1, /**< Unicode's characters, as Keras's Tokenizer with char_level */
    QN_TOKENS_PAIRS = 2       /**< byte-pair encoding: bytes, and what stands side by side most often */
} qn_token_kind;

/** Characters that Keras's Tokenizer takes for blanks. */
#define QN_TOKENS_FILTERS "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n"

/** Options of qn_tokenizer_create(); zero is Keras's default, but for .join_ideographs. */
typedef struct qn_tokenizer_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    qn_token_kind kind;    /**< what is numbered */
    int limit;             /**< only numbers below it are given, as Keras's num_words; 0: no limit, with pairs 8192 */
    const char *filters;   /**< characters that are blanks in words; NULL: QN_TOKENS_FILTERS; copied */
    bool keep_case;        /**< default: lower case, for words and characters */
    bool join_ideographs;  /**< what is written without blanks stays one word, as Keras has it; default: each Chinese
                            * character, Hiragana and Katakana is a word of its own, and U+3000 a blank */
    const char *unknown;   /**< stands for words that have no number, and is number 1; NULL: they are left out; copied */
    uintptr_t reserved[4]; /**< must be zero */
} qn_tokenizer_opt;

/** Words and their numbers. Number 0 is never given: it pads. */
typedef struct qn_tokenizer qn_tokenizer;

/**
 * A tokenizer that knows nothing yet.
 *
 * @param out  receives it; the caller owns it; NULL on failure
 * @param opt  copied; NULL for the defaults
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          out is NULL, or an option is out of range
 * @retval QN_E_FORMAT       filters or unknown are not UTF-8
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_tokenizer_create(qn_tokenizer **out, const qn_tokenizer_opt *opt);

/** Give it up and clear the pointer; accepts NULL and a pointer to NULL. */
QN_API void qn_tokenizer_destroy(qn_tokenizer **tokenizer);

/**
 * Learn words and how often they are there; the more often, the lower their number, and of equal ones the first. Again
 * with other texts, it counts on. Pairs are learned once, up to the limit or until none is there twice.
 *
 * @param tokenizer  changed
 * @param text       [texts] UTF-8
 * @param texts      0 or more
 *
 * @retval QN_OK             learned
 * @retval QN_E_ARG          a pointer is NULL or texts is negative
 * @retval QN_E_FORMAT       a text is not UTF-8; nothing is learned of it and those behind it
 * @retval QN_E_STATE        pairs were learned already
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: one.  Source: numbers agree with Keras 3.15, Tokenizer.fit_on_texts, but for a capital sigma at a word's end.
 */
QN_API qn_status qn_tokenizer_fit(qn_tokenizer *tokenizer, const char *const *text, int64_t texts);

/** Texts that are not in memory at once. */
typedef struct qn_text_source {
    int64_t texts; /**< 0 or more */
    /** The i-th text, lent until the next call; asked for in their order, each once. */
    qn_status (*text)(void *user, int64_t i, const char **text);
    void *user;    /**< handed to it */
} qn_text_source;

/** As qn_tokenizer_fit(), from texts that are asked for one at a time. A failure of source->text is returned. */
QN_API qn_status qn_tokenizer_fit_from(qn_tokenizer *tokenizer, const qn_text_source *source);

/** One more than the largest number that is given, as an embedding wants it; 0 for NULL. Threads: any, when none fits. */
QN_API int64_t qn_tokenizer_size(const qn_tokenizer *tokenizer);

/**
 * A text's numbers.
 *
 * @param tokenizer  borrowed
 * @param text       UTF-8
 * @param out        [most] receives them; may be NULL when most is 0
 * @param most       as many are written at most
 * @param count      receives how many there are
 *
 * @retval QN_OK             encoded
 * @retval QN_E_ARG          a pointer is NULL
 * @retval QN_E_FORMAT       not UTF-8
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any, when none fits.  Source: agrees with Keras 3.15, Tokenizer.texts_to_sequences.
 */
QN_API qn_status qn_tokenizer_encode(const qn_tokenizer *tokenizer, const char *text, int32_t *out, int64_t most, int64_t *count);

/**
 * The text of numbers: words with blanks between, characters and pairs without; 0 and unknown numbers give nothing.
 *
 * @param tokenizer  borrowed
 * @param number     [count]
 * @param count      0 or more
 * @param out        [most] receives the text and a zero behind it; may be NULL when most is 0
 * @param most       as many bytes are written at most, the zero among them
 * @param bytes      receives the text's length without the zero
 *
 * @retval QN_E_ARG  a pointer is NULL or count is negative
 *
 * Threads: any, when none fits.
 */
QN_API qn_status qn_tokenizer_decode(const qn_tokenizer *tokenizer, const int32_t *number, int64_t count, char *out, size_t most,
                                     size_t *bytes);

/**
 * Everything that it knows, as JSON.
 *
 * @param tokenizer  borrowed
 * @param out        [most] receives the text and a zero behind it; may be NULL when most is 0
 * @param most       as many bytes are written at most, the zero among them
 * @param bytes      receives the text's length without the zero
 *
 * @retval QN_E_ARG          a pointer is NULL
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any, when none fits.
 */
QN_API qn_status qn_tokenizer_to_json(const qn_tokenizer *tokenizer, char *out, size_t most, size_t *bytes);

/**
 * A tokenizer from qn_tokenizer_to_json().
 *
 * @param out    receives it; the caller owns it; NULL on failure
 * @param ctx    retained; NULL: a default one
 * @param name   for messages, such as the path
 * @param json   [bytes]
 * @param bytes  its length
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          a pointer is NULL
 * @retval QN_E_FORMAT       no such JSON; the message says what is wrong where
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_tokenizer_from_json(qn_tokenizer **out, qn_context *ctx, const char *name, const char *json, size_t bytes);

/** How qn_sequence_pad() makes sequences of one length; zero is Keras's default. */
typedef struct qn_pad_opt {
    bool pad_behind;   /**< what is missing stands behind; default: before */
    bool cut_behind;   /**< what is too much is cut off behind; default: before */
    int32_t value;     /**< of what is missing */
} qn_pad_opt;

/**
 * A sequence of a given length.
 *
 * @param out     [length] overwritten; may not alias in
 * @param length  0 or more
 * @param in      [count]
 * @param count   0 or more
 * @param opt     NULL for the defaults
 *
 * @retval QN_E_ARG  a pointer is NULL or a number is negative
 *
 * Threads: any.  Source: agrees with Keras 3.15, pad_sequences.
 */
QN_API qn_status qn_sequence_pad(int32_t *out, int64_t length, const int32_t *in, int64_t count, const qn_pad_opt *opt);

/**
 * Texts as a dataset: the input "text", i32 [length], and with labels the target "label", i32 [].
 *
 * @param out        receives the dataset; the caller owns it; NULL on failure
 * @param tokenizer  borrowed during the call
 * @param text       [texts] UTF-8; borrowed during the call
 * @param label      [texts] copied; NULL: inputs alone
 * @param texts      0 or more
 * @param length     numbers of a sample, 1 or more
 * @param pad        NULL for the defaults
 *
 * @retval QN_OK             made
 * @retval QN_E_ARG          a pointer is NULL or a number is out of range
 * @retval QN_E_FORMAT       a text is not UTF-8
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any, when none fits.
 */
QN_API qn_status qn_dataset_texts(qn_dataset **out, const qn_tokenizer *tokenizer, const char *const *text, const int32_t *label,
                                  int64_t texts, int64_t length, const qn_pad_opt *pad);

/** The longest runs of words that BLEU counts. */
#define QN_BLEU_ORDERS 4

/** BLEU, and what it is made of. */
typedef struct qn_bleu {
    double score;                     /**< 0 to 100 */
    double precision[QN_BLEU_ORDERS]; /**< of runs of 1 to 4 words, 0 to 100; 0 where there are none */
    double brevity;                   /**< what short translations are multiplied by, 0 to 1 */
    int64_t match[QN_BLEU_ORDERS];    /**< runs that are in a reference too, each no more often than there */
    int64_t total[QN_BLEU_ORDERS];    /**< runs in all */
    int64_t length;                   /**< words of the translations */
    int64_t reference_length;         /**< words of the references, of each text the one that is nearest in length */
} qn_bleu;

/**
 * How well translations agree with those of people, as a corpus.
 *
 *     score = brevity * (p1 p2 p3 p4)^(1/4), brevity = exp(1 - reference_length / length), 1 at most;
 *
 * p of n: the share of runs of n words, over all texts, that are in a reference too. It is 0 where runs of a length do not
 * match at all: nothing is smoothed. Words are parted as mteval-v13a does (ASCII's punctuation stands alone, but for the
 * apostrophe, a dash that follows no digit, and a point or comma between digits; &quot; &amp; &lt; &gt; are what they
 * stand for), then at Unicode's blanks. Capital and small letters differ.
 *
 * @param out         overwritten
 * @param text        [texts] translations, UTF-8
 * @param reference   [texts, references] UTF-8; NULL where a text has fewer, but each has one
 * @param references  1 or more
 * @param texts       0 or more; of none the score is 0
 *
 * @retval QN_OK             counted
 * @retval QN_E_ARG          a pointer is NULL, a number is out of range, or a text has no reference
 * @retval QN_E_FORMAT       a text is not UTF-8
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.  Source: Papineni et al. 2002; agrees with sacrebleu 2.6, BLEU, tokenize 13a, where runs of each length match.
 */
QN_API qn_status qn_text_bleu(qn_bleu *out, const char *const *text, const char *const *reference, int references,
                              int64_t texts);

/** The lines of a text, UTF-8, each with a zero behind it. */
typedef struct qn_lines {
    char **line;   /**< [lines] */
    int64_t lines; /**< empty ones among them; a last line end adds none */
} qn_lines;

/** Options of qn_lines_read(). */
typedef struct qn_lines_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    const char *encoding;  /**< of the file, as iconv names it ("ISO-8859-1", "GB18030"); NULL: "UTF-8" */
    int64_t max_bytes;     /**< longest text accepted; 0: 2^30, of a qn_line_file any */
    int64_t keep_bytes;    /**< of a qn_line_file: an eighth of it is what the places of lines take at most; 0: 2^27 */
    /** Is told about a line that is not in the encoding or has a zero, in a line, and that line is empty. NULL: an error. */
    void (*bad)(void *user, const char *line);
    void *user;            /**< handed to it */
    uintptr_t reserved[1]; /**< must be zero */
} qn_lines_opt;

/**
 * Read a text's lines. They end in LF, CR LF or CR; a byte order mark of UTF-8 at the start is passed over.
 *
 * @param out   receives them; the caller owns them; NULL on failure
 * @param path  the file
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          a pointer is NULL or max_bytes is negative
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       not in that encoding, a zero in it, or too long; the message says where
 * @retval QN_E_UNSUPPORTED  the system knows no encoding of that name
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_lines_read(qn_lines **out, const char *path, const qn_lines_opt *opt);

/** As qn_lines_read(), from a reader, which is borrowed during the call. */
QN_API qn_status qn_lines_read_from(qn_lines **out, const qn_reader *text, const qn_lines_opt *opt);

/** Give lines up and clear the pointer; accepts NULL and a pointer to NULL. */
QN_API void qn_lines_destroy(qn_lines **lines);

/** A text's lines that are read again whenever they are wanted: for texts that are larger than memory. */
typedef struct qn_line_file qn_line_file;

/**
 * Find a text's lines, which are those of qn_lines_read() but may have 2^24 bytes at most. The file must stay as it is: where
 * its size or time says that it did not, reading is QN_E_IO.
 *
 * @param out   receives it; the caller owns it; NULL on failure
 * @param path  a file that is not compressed
 * @param opt   NULL for the defaults
 *
 * @retval QN_E_ARG          a pointer is NULL or an option is out of range
 * @retval QN_E_IO           the file cannot be opened or read, or is no regular file
 * @retval QN_E_FORMAT       not UTF-8, a zero in it, or too long; the message says where
 * @retval QN_E_UNSUPPORTED  another encoding than UTF-8
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_line_file_open(qn_line_file **out, const char *path, const qn_lines_opt *opt);

/** Number of lines; 0 for NULL. Threads: any. */
QN_API int64_t qn_line_file_lines(const qn_line_file *file);

/**
 * Read a line; one after another is fastest.
 *
 * @param file  borrowed
 * @param line  0 to qn_line_file_lines() - 1
 * @param use   given the line, empty where opt->bad was told about it; lent during the call, and may be changed
 * @param user  handed to it
 *
 * @retval QN_E_ARG  a pointer is NULL or there is no such line
 * @retval QN_E_IO   the file cannot be read, or is not as it was
 * @retval others    what use returned
 *
 * Threads: any, at the same time.
 */
QN_API qn_status qn_line_file_read(const qn_line_file *file, int64_t line, qn_status (*use)(void *user, char *text), void *user);

/** Give it up and clear the pointer; accepts NULL and a pointer to NULL. Threads: any, when no thread reads. */
QN_API void qn_line_file_close(qn_line_file **file);

QN_END_DECLS

#endif
