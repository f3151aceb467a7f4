// Tayfa over HTTP: POST /runsync, answered when the job has been accepted, run in an engine process
// and completed. One request is a whole cycle. The input is as long as the other queues' payload;
// the engine answers with one digit.
#include "tests/bench/peers/wire.hpp"

#include <cctype>
#include <chrono>

namespace tayfa::bench {

namespace {

constexpr std::chrono::seconds ready_within{10};

struct response {
  std::string status; ///< "HTTP/1.1 200 OK"
  std::string body;
  bool ok() const { return status.starts_with("HTTP/1.1 200"); }
};

std::size_t length_in(std::string_view field) {
  constexpr std::string_view name = "content-length:";
  if (field.size() <= name.size()) {
    return 0;
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(field[i])) != name[i]) {
      return 0;
    }
  }
  return std::stoul(std::string{field.substr(name.size())});
}

response answer(wire& from) {
  response out{from.line(), {}};
  std::size_t length = 0;
  for (auto field = from.line(); !field.empty(); field = from.line()) {
    length = std::max(length, length_in(field));
  }
  out.body = from.bytes(length);
  return out;
}

/// Text for JSON, with as many characters as there are bytes.
std::string letters_of(std::string_view bytes) {
  static constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    out.push_back(letters[static_cast<unsigned char>(c) & 63U]);
  }
  return out;
}

class client final : public peer_client {
 public:
  explicit client(std::uint16_t port) : wire_(port) {}

  void cycle(const std::string& payload) override {
    if (request_.empty()) { // the same in every cycle, like the others' payload
      const auto body = R"({"input":{"mock_return":1,"prompt":")" + letters_of(payload) + R"("}})";
      request_ = "POST /v2/tayfa/runsync HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 "Content-Type: application/json\r\nContent-Length: " +
                 std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    wire_.send(request_);
    const auto said = answer(wire_);
    if (!said.ok() || said.body.find("\"COMPLETED\"") == std::string::npos) {
      throw peer_error{"Tayfa said " + said.status + " " + said.body};
    }
  }

 private:
  wire wire_;
  std::string request_;
};

/// The program that started the pod has waited for READY in its log; /ping reports it a moment
/// later.
void wait_until_ready(const peer_address& at) {
  wire to{at.port};
  const auto end = std::chrono::steady_clock::now() + ready_within;
  for (;;) {
    to.send("GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const auto said = answer(to);
    if (said.ok()) {
      return;
    }
    if (std::chrono::steady_clock::now() > end) {
      throw peer_error{"the pod is not ready; it says " + said.status};
    }
  }
}

} // namespace

const peer tayfa{"tayfa", &wait_until_ready,
                 [](const peer_address& at, unsigned) -> std::unique_ptr<peer_client> {
                   return std::make_unique<client>(at.port);
                 }};

} // namespace tayfa::bench
