// One request over generic netlink (linux/genetlink.h), and the sockets that nbd's requests carry.
//
// Messages are made and read by netlink-message.ts; here they only go out and come in. The kernel looks up a
// descriptor in a message in the process that sends it, so any of its threads may send. It answers before it
// acknowledges, and an acknowledgement with an error comes without an answer.
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "exports.h"
#include "fd.h"
#include "task.h"

namespace diskferry {

namespace {

using Bytes = std::vector<uint8_t>;

// The kernel makes no datagram larger than the larger of 32 KiB and what recvmsg was called with.
constexpr size_t datagramBytesMax = 64 * 1024;

struct Request {
  std::string name;
  Bytes message;
};

Bytes receive(const Fd& socket, const std::string& name) {
  Bytes datagram(datagramBytesMax);
  ssize_t length = recv(socket.get(), datagram.data(), datagram.size(), MSG_TRUNC);
  if (length == -1) throw SystemError(errno, "recv(netlink)", name);
  if (static_cast<size_t>(length) > datagram.size()) throw SystemError(EMSGSIZE, "recv(netlink)", name);
  datagram.resize(static_cast<size_t>(length));
  return datagram;
}

// Adds the answers in the datagram to `answer`. True when the acknowledgement was among them.
bool takeAnswers(const Bytes& datagram, const std::string& name, Bytes& answer) {
  size_t at = 0;
  while (at + sizeof(nlmsghdr) <= datagram.size()) {
    nlmsghdr header;
    memcpy(&header, datagram.data() + at, sizeof header);
    if (header.nlmsg_len < sizeof header || at + header.nlmsg_len > datagram.size()) {
      throw SystemError(EBADMSG, "recv(netlink)", name);
    }
    if (header.nlmsg_type == NLMSG_ERROR) {
      int error = 0;
      memcpy(&error, datagram.data() + at + sizeof header, sizeof error);
      if (error != 0) throw SystemError(-error, "netlink", name);
      return true;
    }
    answer.insert(answer.end(), datagram.data() + at, datagram.data() + at + header.nlmsg_len);
    answer.resize(NLMSG_ALIGN(answer.size()));
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return false;
}

Bytes call(const Request& request) {
  Fd socket(checked(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), "socket(netlink)"));
  ssize_t sent = send(socket.get(), request.message.data(), request.message.size(), 0);
  if (sent == -1) throw SystemError(errno, "send(netlink)", request.name);
  Bytes answer;
  while (!takeAnswers(receive(socket, request.name), request.name, answer)) {
  }
  return answer;
}

}  // namespace

Napi::Value netlinkCall(const Napi::CallbackInfo& info) {
  auto view = info[1].As<Napi::Uint8Array>();
  Request request = {info[0].As<Napi::String>(), Bytes(view.Data(), view.Data() + view.ByteLength())};
  if (request.message.size() < sizeof(nlmsghdr)) throw std::out_of_range("a netlink message lacks its header");
  auto work = [request = std::move(request)] { return call(request); };
  auto toJs = [](Napi::Env env, const Bytes& answer) {
    auto view = Napi::Uint8Array::New(env, answer.size());
    if (!answer.empty()) memcpy(view.Data(), answer.data(), answer.size());
    return view;
  };
  return promiseOf(info.Env(), std::move(work), toJs);
}

Napi::Value socketPair(const Napi::CallbackInfo& info) {
  std::array<int, 2> ends = {};
  checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  Napi::Array result = Napi::Array::New(info.Env(), ends.size());
  for (uint32_t index = 0; index < ends.size(); index += 1) result.Set(index, ends.at(index));
  return result;
}

// Unlike close(2) it reaches the other end even while an operation in the ring still holds the socket.
Napi::Value shutDownSocket(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>();
  if (shutdown(fd, SHUT_RDWR) == -1 && errno != ENOTCONN) throw SystemError(errno, "shutdown");
  return info.Env().Undefined();
}

}  // namespace diskferry
