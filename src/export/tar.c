/* SPDX-License-Identifier: Apache-2.0 */
/* A whole snapshot as one tar stream. */
#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "entry/entry.h"
#include "export/emit.h"

struct job {
    struct fc_emitter emitter;
    struct fc_error *err;
};

static int emit_name(void *arg, const struct fc_export_name *name)
{
    struct job *j = arg;
    char show[256];

    if (S_ISSOCK(j->emitter.inodes[name->inode].mode)) {
        /* As tar programs do: a socket means nothing without the process that made it. */
        fc_log(FC_LOG_WARN, "\"/%s\" is a socket: left out, because tar cannot hold it",
               fc_name_show(show, sizeof(show), name->path, name->path_len));
        return 0;
    }
    if (fc_whiteout_classify(name->path, NULL) != FC_WHITEOUT_NONE)
        fc_log(FC_LOG_WARN,
               "\"/%s\" begins with \".wh.\": used as a layer, the tar removes a file instead of adding one",
               fc_name_show(show, sizeof(show), name->path, name->path_len));
    return fc_emit(&j->emitter, name->path, name->inode, j->err);
}

int fc_export_tar(const struct fc_snapshot *s, fc_tar_sink sink, void *arg, struct fc_error *err)
{
    struct job j = {.err = err};
    int r = fc_emitter_init(&j.emitter, s, sink, arg, err);

    if (r == 0) {
        r = fc_export_walk(&j.emitter, emit_name, &j);
        if (r == -ENOMEM)
            fc_fail_errno(err, ENOMEM, "cannot write the archive");
    }
    if (r == 0)
        r = fc_tar_writer_finish(j.emitter.writer, err);
    fc_emitter_release(&j.emitter);
    return r;
}
