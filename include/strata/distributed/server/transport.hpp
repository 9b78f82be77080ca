// How messages get from workers to parameter servers and back: ZeroMQ (CMake: strata::zmq). The only header that knows it.
//
// A server listens on this machine alone unless it has a key; with one, both ends prove by CURVE that they know it.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/read_number.hpp"
#include "../../io/file_descriptor.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

[[noreturn]] inline void fail_with_zmq(std::string_view what) {
    int const number = zmq_errno();
    fail(what, ": ", zmq_strerror(number));
}
inline void check_zmq(int result, std::string_view what) {
    if (result < 0) fail_with_zmq(what);
}

/// The key pair of a training: CURVE's, made of the secret one.
struct CurveKeys {
    std::array<char, 41> secret{}, open{};

    explicit CurveKeys(std::string const& key) {
        if (zmq_has("curve") == 0) fail("this ZeroMQ was compiled without CURVE, which keys need");
        // Z85 has no spaces and no quotes.
        if (key.size() != 40 || key.find_first_of(" \"'\\,;_`|~") != std::string::npos)
            fail("a key has 40 characters, as server_key() makes it");
        key.copy(secret.data(), 40);
        if (zmq_curve_public(open.data(), secret.data()) != 0) fail_with_zmq("a key that is none");
    }
    /// The bytes that CURVE shows of whoever connects.
    [[nodiscard]] std::array<std::uint8_t, 32> bytes() const {
        std::array<std::uint8_t, 32> all{};
        zmq_z85_decode(all.data(), open.data());
        return all;
    }
};

/// True where an address is reached from this machine alone.
inline bool is_loopback(std::string_view address) {
    for (std::string_view const own : {"ipc://", "tcp://127.", "tcp://localhost:", "tcp://[::1]:", "tcp://lo:"})
        if (address.starts_with(own)) return true;
    return false;
}
/// ZeroMQ takes the last 16 bits of any number. A server may say * for any port that is free.
inline bool ends_with_port(std::string_view address) {
    std::string_view const port = address.substr(address.rfind(':') + 1);
    int number = 0;
    auto const [end, error] = read_number(port.data(), port.data() + port.size(), number);
    return port == "*" || (error == std::errc{} && end == port.data() + port.size() && number >= 0 && number <= 65535);
}
inline void check_address(std::string const& address, std::string const& key, char const* who) {
    if (!address.starts_with("tcp://") && !address.starts_with("ipc://"))
        fail(who, ": the address is ", address, ", expected tcp://host:port or ipc://file");
    if (address.starts_with("tcp://") && !ends_with_port(address))
        fail(who, ": the address is ", address, ", expected tcp://host:port with a port of at most 65535");
    if (key.empty() && !is_loopback(address))
        fail(who, ": ", address,
             " is reached from other machines: give servers and workers a key (server_key() makes one)");
}

class ZmqContext {
public:
    ZmqContext() : context_(zmq_ctx_new()) {
        if (!context_) fail_with_zmq("zmq_ctx_new");
    }
    ZmqContext(ZmqContext const&) = delete;
    ZmqContext& operator=(ZmqContext const&) = delete;
    ~ZmqContext() { zmq_ctx_term(context_); }
    [[nodiscard]] void* get() const { return context_; }

private:
    void* context_;
};

/// A message that came in.
class ReceivedMessage {
public:
    ReceivedMessage() { zmq_msg_init(&message_); }
    ReceivedMessage(ReceivedMessage&& other) noexcept : ReceivedMessage() { zmq_msg_move(&message_, &other.message_); }
    ReceivedMessage& operator=(ReceivedMessage&& other) noexcept {
        zmq_msg_move(&message_, &other.message_);
        return *this;
    }
    ~ReceivedMessage() { zmq_msg_close(&message_); }
    [[nodiscard]] std::span<std::byte const> bytes() {
        return {static_cast<std::byte const*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
    }
    [[nodiscard]] zmq_msg_t* get() { return &message_; }
    [[nodiscard]] bool more() const { return zmq_msg_more(&message_) != 0; }

private:
    zmq_msg_t message_{};
};

class ZmqSocket {
public:
    ZmqSocket(ZmqContext const& context, int type) : socket_(zmq_socket(context.get(), type)) {
        if (!socket_) fail_with_zmq("zmq_socket");
    }
    ZmqSocket(ZmqSocket&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
    ZmqSocket& operator=(ZmqSocket&&) = delete;
    ~ZmqSocket() {
        if (socket_) zmq_close(socket_);
    }
    [[nodiscard]] void* get() const { return socket_; }

    void set(int option, int value) { check_zmq(zmq_setsockopt(socket_, option, &value, sizeof value), "ZeroMQ"); }
    void set(int option, std::int64_t value) {
        check_zmq(zmq_setsockopt(socket_, option, &value, sizeof value), "ZeroMQ");
    }
    void set_key(int option, std::array<char, 41> const& key) {
        check_zmq(zmq_setsockopt(socket_, option, key.data(), key.size()), "ZeroMQ");
    }
    /// False where nothing is there, or a signal came.
    bool receive(ReceivedMessage& message) {
        if (zmq_msg_recv(message.get(), socket_, ZMQ_DONTWAIT) >= 0) return true;
        if (zmq_errno() != EAGAIN && zmq_errno() != EINTR) fail_with_zmq("zmq_msg_recv");
        return false;
    }
    /// False where too much waits to be sent already.
    bool send(std::span<std::byte const> bytes, int flags = 0) {
        return sent(zmq_send(socket_, bytes.data(), bytes.size(), flags | ZMQ_DONTWAIT));
    }
    /// The same without a copy.
    bool send(std::vector<std::byte>&& bytes) {
        auto* const kept = new std::vector<std::byte>(std::move(bytes));
        zmq_msg_t message;
        auto const free = [](void*, void* hint) { delete static_cast<std::vector<std::byte>*>(hint); };
        if (zmq_msg_init_data(&message, kept->data(), kept->size(), free, kept) != 0) {
            delete kept;
            fail_with_zmq("zmq_msg_init_data");
        }
        if (sent(zmq_msg_send(&message, socket_, ZMQ_DONTWAIT))) return true;
        zmq_msg_close(&message);
        return false;
    }

private:
    static bool sent(int result) {
        if (result >= 0) return true;
        if (zmq_errno() != EAGAIN && zmq_errno() != EINTR && zmq_errno() != EHOSTUNREACH) fail_with_zmq("zmq_send");
        return false;
    }

    void* socket_;
};

/// Messages are no longer than this: whoever sends more is not listened to.
inline constexpr std::int64_t most_message_bytes = std::int64_t{64} << 20;

/// A server's end.
class ServerSocket {
public:
    ServerSocket(std::string const& address, std::string const& key)
        : socket_(context_, ZMQ_ROUTER), admission_(context_, ZMQ_REP) {
        check_address(address, key, "ParameterServer");
        check_free(address);
        socket_.set(ZMQ_MAXMSGSIZE, most_message_bytes);
        socket_.set(ZMQ_RCVHWM, 64);
        socket_.set(ZMQ_LINGER, 500);
        if (!key.empty()) {
            CurveKeys const keys(key);
            admitted_ = keys.bytes();
            check_zmq(zmq_bind(admission_.get(), "inproc://zeromq.zap.01"), "zmq_bind");
            socket_.set(ZMQ_CURVE_SERVER, 1);
            socket_.set_key(ZMQ_CURVE_SECRETKEY, keys.secret);
            check_zmq(zmq_setsockopt(socket_.get(), ZMQ_ZAP_DOMAIN, "strata", 6), "ZeroMQ");
        }
        if (zmq_bind(socket_.get(), address.c_str()) != 0)
            fail_with_zmq(concatenate("ParameterServer: cannot listen at ", address));
    }

    /// Where it listens: the port that "tcp://127.0.0.1:*" became.
    [[nodiscard]] std::string address() const {
        std::array<char, 256> text{};
        std::size_t size = text.size();
        check_zmq(zmq_getsockopt(socket_.get(), ZMQ_LAST_ENDPOINT, text.data(), &size), "ZeroMQ");
        return text.data();
    }
    /// Waits for a message, some milliseconds at most; `from` is whom to answer. False where there is none.
    bool receive(std::vector<std::byte>& from, ReceivedMessage& message, long milliseconds) {
        if (take(from, message)) return true;
        std::array<zmq_pollitem_t, 2> items{{{socket_.get(), 0, ZMQ_POLLIN, 0}, {admission_.get(), 0, ZMQ_POLLIN, 0}}};
        if (zmq_poll(items.data(), 2, milliseconds) < 0 && zmq_errno() != EINTR) fail_with_zmq("zmq_poll");
        if (items[1].revents != 0) admit();
        return items[0].revents != 0 && take(from, message);
    }
    /// Who is gone meanwhile gets nothing.
    void send(std::span<std::byte const> to, std::vector<std::byte>&& bytes) {
        if (socket_.send(to, ZMQ_SNDMORE)) socket_.send(std::move(bytes));
    }

private:
    /// ZeroMQ takes a file's name away from who listens there.
    static void check_free(std::string const& address) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::string_view const path = std::string_view(address).substr(6);
        if (!address.starts_with("ipc:///") || path.size() >= sizeof at.sun_path) return;
        path.copy(at.sun_path, path.size());
        FileDescriptor const probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), address);
        if (::connect(probe.get(), reinterpret_cast<sockaddr const*>(&at), sizeof at) == 0)
            fail("ParameterServer: cannot listen at ", address, ": another process does");
    }
    bool take(std::vector<std::byte>& from, ReceivedMessage& message) {
        if (!socket_.receive(message)) return false;
        from.assign(message.bytes().begin(), message.bytes().end());
        int frames = 0;
        while (message.more()) {
            if (!socket_.receive(message)) return false;
            ++frames;
        }
        return frames == 1;  // others send in one piece
    }
    /// ZeroMQ asks who may connect (RFC 27, ZAP): whoever knows the key.
    void admit() {
        std::vector<std::vector<std::byte>> frames;
        ReceivedMessage frame;
        do {
            if (!admission_.receive(frame)) break;
            frames.emplace_back(frame.bytes().begin(), frame.bytes().end());
        } while (frame.more());
        auto const text = [&](std::size_t k) {
            if (k >= frames.size()) return std::string_view();
            return std::string_view(reinterpret_cast<char const*>(frames[k].data()), frames[k].size());
        };
        std::string_view const own(reinterpret_cast<char const*>(admitted_.data()), admitted_.size());
        bool const knows = frames.size() == 7 && text(5) == "CURVE" && text(6) == own;
        std::string_view const answer[] = {"1.0", text(1), knows ? "200" : "400", knows ? "" : "another key", "", ""};
        for (std::size_t k = 0; k < std::size(answer); ++k)
            admission_.send(std::as_bytes(std::span(answer[k].data(), answer[k].size())),
                            k + 1 < std::size(answer) ? ZMQ_SNDMORE : 0);
    }

    ZmqContext context_;
    ZmqSocket socket_, admission_;
    std::array<std::uint8_t, 32> admitted_{};
};

/// A worker's end: a connection to each of several servers, made anew where it breaks.
class WorkerSocket {
public:
    WorkerSocket(std::vector<std::string> const& servers, std::string const& key) {
        sockets_.reserve(servers.size());
        for (auto const& address : servers) {
            check_address(address, key, "Served");
            auto& socket = sockets_.emplace_back(context_, ZMQ_DEALER);
            socket.set(ZMQ_MAXMSGSIZE, most_message_bytes);
            socket.set(ZMQ_SNDHWM, 64);
            socket.set(ZMQ_LINGER, 0);
            socket.set(ZMQ_RECONNECT_IVL, 20);
            socket.set(ZMQ_RECONNECT_IVL_MAX, 500);
            socket.set(ZMQ_HEARTBEAT_IVL, 2000);  // notices machines that are off
            if (!key.empty()) {
                CurveKeys const keys(key);
                socket.set_key(ZMQ_CURVE_SERVERKEY, keys.open);
                socket.set_key(ZMQ_CURVE_PUBLICKEY, keys.open);
                socket.set_key(ZMQ_CURVE_SECRETKEY, keys.secret);
            }
            if (zmq_connect(socket.get(), address.c_str()) != 0)
                fail_with_zmq(concatenate("Served: cannot connect to ", address));
        }
    }

    /// False where it is to be tried again later.
    bool send(std::size_t server, std::vector<std::byte>&& bytes) { return sockets_[server].send(std::move(bytes)); }
    /// A message that is there, and the server that it is of.
    std::optional<std::size_t> receive(ReceivedMessage& message) {
        for (std::size_t k = 0; k < sockets_.size(); ++k)
            if (sockets_[k].receive(message)) return k;
        return {};
    }
    /// Waits until there may be one, some milliseconds at most.
    void wait(long milliseconds) {
        std::vector<zmq_pollitem_t> items;
        for (auto const& socket : sockets_) items.push_back({socket.get(), 0, ZMQ_POLLIN, 0});
        if (zmq_poll(items.data(), static_cast<int>(items.size()), milliseconds) < 0 && zmq_errno() != EINTR)
            fail_with_zmq("zmq_poll");
    }

private:
    ZmqContext context_;
    std::vector<ZmqSocket> sockets_;
};

}  // namespace detail

/// A new key for the servers and workers of a training (ServerOptions::key, Served::key): 40 characters, a secret.
inline std::string server_key() {
    std::array<char, 41> open{}, secret{};
    if (zmq_has("curve") == 0 || zmq_curve_keypair(open.data(), secret.data()) != 0)
        fail("this ZeroMQ was compiled without CURVE, which keys need");
    return secret.data();
}

}  // namespace strata::inline STRATA_ABI
