// Unix sockets whose clients the ring accepts, and who is at the other end of one.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "error.h"
#include "exports.h"
#include "fd.h"

namespace diskferry {

namespace {

sockaddr_un addressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw SystemError(ENAMETOOLONG, "bind", path);
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

// bind(2) creates the socket file with the mode of the socket itself, masked by umask (net/unix/af_unix.c,
// unix_bind_bsd): set before, there is no moment in which others may connect. The listener is blocking: over
// a non-blocking one, io_accept of older kernels (5.15) ends with EAGAIN instead of waiting for a client.
Napi::Value listenUnix(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>();
  int backlog = info[1].As<Napi::Number>();

  sockaddr_un address = addressOf(path);
  Fd listener(checked(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  checked(fchmod(listener.get(), S_IRUSR | S_IWUSR), "fchmod", path);
  checked(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind", path);
  checked(listen(listener.get(), backlog), "listen", path);
  return Napi::Number::New(info.Env(), listener.release());
}

// The process at the other end as it was when it connected (SO_PEERCRED, unix(7)): [pid, uid, gid].
Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>();

  ucred peer = {};
  socklen_t size = sizeof peer;
  checked(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size), "getsockopt(SO_PEERCRED)");
  Napi::Array credentials = Napi::Array::New(info.Env(), 3);
  credentials[0u] = Napi::Number::New(info.Env(), peer.pid);
  credentials[1u] = Napi::Number::New(info.Env(), peer.uid);
  credentials[2u] = Napi::Number::New(info.Env(), peer.gid);
  return credentials;
}

}  // namespace diskferry
