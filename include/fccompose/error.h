/* SPDX-License-Identifier: Apache-2.0 */
/* The error object: a number for the program and words, recorded where the failure happens, for the person. */
#ifndef FCCOMPOSE_ERROR_H
#define FCCOMPOSE_ERROR_H

/** Marks a function that libfccompose exports; everything else is hidden. */
#define FC_PUBLIC __attribute__((visibility("default")))

/** Asks the compiler to check a printf-like format against its arguments. */
#define FC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/**
 * A failure. Lives on the caller's stack; all zero means "no error yet".
 *
 * Fixed meanings of @code besides errno's own: EBADMSG malformed input, EOPNOTSUPP valid but unsupported,
 * ENOSPC too small, EINVAL the caller's bug.
 */
struct fc_error {
    int code;      /**< a positive errno value */
    char msg[512]; /**< one line for a person: what, where, why; no trailing newline; may hold raw name bytes */
};

/**
 * Record a failure: @code (positive errno) and a message. An earlier message in @err is replaced.
 *
 * @err may be NULL. Always returns -@code, so that `return fc_fail(err, EIO, "...")` is the normal style.
 */
FC_PUBLIC int fc_fail(struct fc_error *err, int code, const char *fmt, ...) FC_PRINTF(3, 4);

/**
 * Record a failed system call: like fc_fail() with @code, with ": " and strerror(@code) put after the message.
 *
 * @code is a positive errno value (pass errno itself). Returns -@code.
 */
FC_PUBLIC int fc_fail_errno(struct fc_error *err, int code, const char *fmt, ...) FC_PRINTF(3, 4);

/**
 * Put context in front of the message that @err already holds: "context: message".
 *
 * Returns -@err->code. With a NULL @err returns -EIO, so a caller that must keep the number when nobody wants
 * the words returns its own copy of it.
 */
FC_PUBLIC int fc_wrap(struct fc_error *err, const char *fmt, ...) FC_PRINTF(2, 3);

#endif
