/* A verb of the command line, run here, with what it wrote. */
#ifndef FEDGATE_TESTS_VERB_RUN_H
#define FEDGATE_TESTS_VERB_RUN_H

enum { VERB_TEXT_MAX = 1 << 20 };

extern char verb_out[VERB_TEXT_MAX], verb_complaint[VERB_TEXT_MAX];

/* Its exit status. In what it wrote, the directory `dir` and the slash behind it are left out. */
int verb_run(int (*verb)(int argc, char **argv), int argc, char **argv, const char *dir);

#endif
