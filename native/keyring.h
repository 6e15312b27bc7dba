// A key that a thread may use while this is alive (thread-keyring(7)): dm-crypt asks for the key that a table
// names on the thread that loads the table, and Node's threads share no keyring that came after their start.
#pragma once

#include <cstdint>

namespace diskferry {

class KeyInThread {
 public:
  // `serial` as keyAdd gives it; 0: none.
  explicit KeyInThread(int32_t serial);
  ~KeyInThread();
  KeyInThread(const KeyInThread&) = delete;
  KeyInThread& operator=(const KeyInThread&) = delete;

 private:
  int32_t serial_;
};

}  // namespace diskferry
