// add DESCRIPTION PAYLOAD: puts a key of the type "user" where the parent finds it, and prints its number. remove
// NUMBER: takes it out again. For tests; keyctl(1) is not on every machine.
//
// Without a keyring of its session, as in a guest, a process has the user's; a session may not include that one.
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **words) {
  long key = -1;
  if (count == 4 && strcmp(words[1], "add") == 0) {
    key = syscall(SYS_add_key, "user", words[2], words[3], strlen(words[3]), KEY_SPEC_USER_KEYRING);
    if (key != -1) syscall(SYS_keyctl, KEYCTL_LINK, key, KEY_SPEC_SESSION_KEYRING, 0, 0);
    printf("%ld\n", key);
  } else if (count == 3 && strcmp(words[1], "remove") == 0) {
    key = strtol(words[2], NULL, 10);
    syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_SESSION_KEYRING, 0, 0);
    if (syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING, 0, 0) == -1) key = -1;
  }
  if (key == -1) perror(count > 1 ? words[1] : "usage");
  return key == -1 ? 1 : 0;
}
