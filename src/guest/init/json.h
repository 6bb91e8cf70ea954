/* SPDX-License-Identifier: Apache-2.0 */
/* JSON read in place, value by value; whatever is wrong with it makes `bad` true and every later value empty. */
#ifndef FC_GUEST_INIT_JSON_H
#define FC_GUEST_INIT_JSON_H

#include <stdbool.h>
#include <stdint.h>

/** A reader. @at is what is next in a NUL-terminated text, which is changed: strings are decoded where they stand. */
struct json {
    char *at;
    bool bad;
};

/** Go into an object ('{') or array ('['). */
void json_enter(struct json *j, char open);
/** Whether another member follows; goes past the comma, or past @close at the end. @first is true before the first. */
bool json_more(struct json *j, char close, bool *first);
/** The name of a member, and past its colon. */
char *json_key(struct json *j);
/** A string, decoded, NUL-terminated; one with a NUL in it is bad. "" when bad. */
char *json_string(struct json *j);
/** A whole number from 0 to @max. */
uint32_t json_number(struct json *j, uint32_t max);
/** Whether nothing but white space is left. */
bool json_ended(struct json *j);

#endif
