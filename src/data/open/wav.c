/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * WAV by libsndfile, from memory. The chunks are read here, because libsndfile takes what is there of a truncated file,
 * would recognise other formats, and (1.2) walks in circles in some that it does not need. It is shown a file of those that it
 * does: fmt, fact and the samples. */
#include "data/open/files.h"

#if QND_SNDFILE

#include <math.h>
#include <sndfile.h>
#include <string.h>

#define MOST_HEAD 1024

/* What libsndfile sees: a head of our making, then the samples where they are. */
struct file {
    unsigned char head[MOST_HEAD];
    const unsigned char *data;
    sf_count_t head_bytes, bytes, at; /* bytes: in all */
};

static sf_count_t get_length(void *user)
{
    return ((struct file *)user)->bytes;
}

static sf_count_t seek(sf_count_t offset, int whence, void *user)
{
    struct file *f = user;
    const sf_count_t from = whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->bytes : 0;

    if (offset > f->bytes - from)
        f->at = f->bytes;
    else
        f->at = offset < -from ? 0 : from + offset;
    return f->at;
}

static sf_count_t read_bytes(void *to, sf_count_t bytes, void *user)
{
    struct file *f = user;
    const sf_count_t n = bytes < f->bytes - f->at ? bytes : f->bytes - f->at;
    const sf_count_t left = f->head_bytes - f->at, head = left <= 0 ? 0 : left < n ? left : n;

    if (n <= 0)
        return 0;
    memcpy(to, f->head + f->at, (size_t)head);
    if (n > head)
        memcpy((unsigned char *)to + head, f->data + (f->at + head - f->head_bytes), (size_t)(n - head));
    f->at += n;
    return n;
}

static sf_count_t tell(void *user)
{
    return ((struct file *)user)->at;
}

static uint32_t number(const unsigned char *p, bool big)
{
    return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void put_number(unsigned char *p, uint32_t v, bool big)
{
    for (int i = 0; i < 4; i++)
        p[big ? 3 - i : i] = (unsigned char)(v >> 8 * i);
}

/* A chunk, or what stands before its contents, behind the others; false: no room. */
static bool add(struct file *f, const unsigned char *chunk, size_t bytes)
{
    const size_t whole = bytes + bytes % 2;

    if (whole > MOST_HEAD - (size_t)f->head_bytes)
        return false;
    memcpy(f->head + f->head_bytes, chunk, bytes);
    f->head_bytes += (sf_count_t)whole;
    return true;
}

static qn_status too_long(const char *name)
{
    return qnd_error(QN_E_FORMAT, "%s: damaged: more than %d bytes of \"fmt \" and \"fact\"", name, MOST_HEAD - 20);
}

/* From chunk to chunk up to the samples, which must be whole. */
static qn_status read_chunks(struct file *f, const char *name, const unsigned char *data, size_t bytes)
{
    const bool big = bytes >= 4 && memcmp(data, "RIFX", 4) == 0;
    size_t at = 12;

    if (bytes < 12 || (!big && memcmp(data, "RIFF", 4) != 0) || memcmp(data + 8, "WAVE", 4) != 0)
        return qnd_error(QN_E_FORMAT, "%s: not a WAV file: does not begin with RIFF and WAVE", name);
    add(f, data, 12);
    while (bytes - at >= 8) {
        const size_t length = number(data + at + 4, big), left = bytes - at - 8;

        if (memcmp(data + at, "data", 4) == 0) {
            if (length > left)
                return qnd_error(QN_E_FORMAT, "%s: truncated: the header announces %zu bytes of samples, found %zu", name,
                                 length, left);
            if (!add(f, data + at, 8))
                return too_long(name);
            f->data = data + at + 8;
            f->bytes = f->head_bytes + (sf_count_t)length;
            put_number(f->head + 4, f->bytes - 8 < UINT32_MAX ? (uint32_t)(f->bytes - 8) : UINT32_MAX, big);
            return QN_OK;
        }
        if (length >= left)
            break;
        if ((memcmp(data + at, "fmt ", 4) == 0 || memcmp(data + at, "fact", 4) == 0) && !add(f, data + at, 8 + length))
            return too_long(name);
        at += 8 + length + length % 2;
        if (at > bytes)
            break;
    }
    return qnd_error(QN_E_FORMAT, "%s: truncated: the WAV file has no samples", name);
}

static qn_status read_samples(qn_sound **out, qn_context *ctx, const char *name, SNDFILE *file, const SF_INFO *about,
                              int64_t max_samples)
{
    sf_count_t got;
    qn_status st;

    if (about->frames < 0 || about->channels < 1 || about->frames > max_samples / about->channels)
        return qnd_error(QN_E_FORMAT, "%s: %lld frames of %d channels, the limit is %lld samples", name,
                         (long long)about->frames, about->channels, (long long)max_samples);
    if (about->samplerate < 1 || about->samplerate > QN_SOUND_MOST_RATE || about->channels > 1024)
        return qnd_error(QN_E_FORMAT, "%s: %d channels at %d frames a second", name, about->channels, about->samplerate);
    if ((st = qn_sound_create(out, ctx, about->frames, about->channels, about->samplerate)))
        return st;
    got = sf_readf_float(file, (*out)->sample, about->frames);
    if (got != about->frames)
        return qnd_error(QN_E_FORMAT, "%s: damaged: %lld frames are announced, found %lld", name, (long long)about->frames,
                         (long long)got);
    for (int64_t i = 0; i < about->frames * about->channels; i++)
        if (!isfinite((*out)->sample[i]))
            return qnd_error(QN_E_FORMAT, "%s: sample %lld is not finite", name, (long long)i);
    return QN_OK;
}

qn_status qnd_decode_wav(qn_sound **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_samples)
{
    SF_VIRTUAL_IO io = {get_length, seek, read_bytes, NULL, tell};
    struct file f = {.head_bytes = 0};
    SF_INFO about = {0};
    SNDFILE *file;
    qn_status st;

    *out = NULL;
    if ((st = read_chunks(&f, name, data, bytes)))
        return st;
    if (!(file = sf_open_virtual(&io, SFM_READ, &about, &f)))
        return qnd_error(QN_E_FORMAT, "%s: damaged WAV: %.200s", name, sf_strerror(NULL));
    st = read_samples(out, ctx, name, file, &about, max_samples);
    sf_close(file);
    if (st)
        qn_sound_destroy(out);
    return st;
}

#else

qn_status qnd_decode_wav(qn_sound **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_samples)
{
    (void)out, (void)ctx, (void)data, (void)bytes, (void)max_samples;
    return qnd_error(QN_E_UNSUPPORTED, "%s: WAV, but libquern-data was built without libsndfile", name);
}

#endif
