# SPDX-License-Identifier: Apache-2.0
# What each module may use: the Makefile links unit tests by it, tools/check-deps enforces it.
# uses_MODULE: modules whose headers it may include. foreign_MODULE: libraries whose headers it may include.
uses_base :=
foreign_base := openssl xxhash
uses_fetch := base
foreign_fetch := curl
uses_entry := base
foreign_entry :=
uses_archive := base entry
foreign_archive := archive compress isa-l
uses_layer := base entry
foreign_layer :=
uses_yaml := base
foreign_yaml := yaml
uses_catalogue := base fetch yaml
foreign_catalogue :=
uses_lock := base
foreign_lock := jansson
uses_oci := base fetch entry archive
foreign_oci := jansson
uses_stack := base lock fetch catalogue entry archive layer oci
foreign_stack :=
uses_tree := base layer
foreign_tree :=
uses_edit := base
foreign_edit := sqlite3
uses_live := base entry layer tree edit
foreign_live :=
uses_image := base
foreign_image :=
uses_label := base
foreign_label := selinux
uses_fuse := base live edit tree layer entry image
foreign_fuse := fuse3
uses_ext4 := base live image
foreign_ext4 := ext2fs
uses_export := base entry archive layer oci tree live
foreign_export :=
uses_workspace := base lock fetch entry archive layer stack tree edit live image fuse export
foreign_workspace :=
uses_guest := base tree live
foreign_guest := jansson crypt
uses_run := base
foreign_run :=
uses_kernel := base fetch entry archive
foreign_kernel := jansson
uses_check := base live image ext4 kernel
foreign_check := jansson
uses_vm := base
foreign_vm := jansson
uses_compose := base lock fetch yaml catalogue entry archive layer oci stack tree edit live image ext4 export workspace guest
foreign_compose := jansson cap
uses_cli := base lock fetch yaml catalogue entry archive layer oci stack tree edit live fuse image label ext4 export workspace guest run kernel check vm compose
foreign_cli := jansson

# Lowest first: the order in which the modules stand in src/README.md.
MODULES := base lock fetch yaml catalogue entry archive layer oci stack tree edit live image fuse label ext4 export workspace guest run kernel check vm compose cli
