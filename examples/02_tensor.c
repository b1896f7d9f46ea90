/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 2: tensors, elements in device memory.
 *
 * A tensor is contiguous and row-major: the last axis lies together. A view is a part of another tensor, without a
 * copy; it keeps the memory alive by itself. */
#include <quern/quern.h>

#include <stdio.h>

int main(void)
{
    const float rows[3][4] = { { 0, 1, 2, 3 }, { 10, 11, 12, 13 }, { 20, 21, 22, 23 } };
    float row[4], all[12];
    qn_device *dev = NULL;
    qn_tensor *t = NULL, *middle = NULL, *copy = NULL;
    qn_status st;

    if ((st = qn_device_open(&dev, NULL, NULL)) ||
        (st = qn_tensor_create(&t, dev, QN_F32, 2, (int64_t[]){ 3, 4 })) ||
        (st = qn_tensor_write(t, rows, sizeof(rows))))
        goto done;

    /* The middle row: 4 elements from element 4 on. */
    if ((st = qn_tensor_view(&middle, t, 4, 1, (int64_t[]){ 4 })) || (st = qn_tensor_read(middle, row, sizeof(row))))
        goto done;
    printf("the middle row: %g %g %g %g\n", (double)row[0], (double)row[1], (double)row[2], (double)row[3]);

    /* Writing to the view writes to the tensor. */
    for (int i = 0; i < 4; i++)
        row[i] = -1.0f;
    if ((st = qn_tensor_write(middle, row, sizeof(row))))
        goto done;
    qn_tensor_destroy(&middle);

    /* A copy on the device is only enqueued, and so is an asynchronous read: all[] is complete after qn_device_finish(). */
    if ((st = qn_tensor_create(&copy, dev, QN_F32, 1, (int64_t[]){ 12 })) || (st = qn_tensor_copy(copy, t)) ||
        (st = qn_tensor_read_async(copy, all, sizeof(all))) || (st = qn_device_finish(dev)))
        goto done;
    printf("all of the copy:");
    for (int i = 0; i < 12; i++)
        printf(" %g", (double)all[i]);
    printf("\n");

    /* Sizes are checked: 8 bytes are not 12 elements. */
    if (qn_tensor_read(copy, all, 8) == QN_E_SHAPE)
        printf("refused: %s\n", qn_last_error());
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_tensor_destroy(&copy);
    qn_tensor_destroy(&middle);
    qn_tensor_destroy(&t);
    qn_device_close(&dev);
    return st != QN_OK;
}
