// Redis: a stream with one consumer group. XADD, XREADGROUP, and XACK with XDEL in one write. All
// are written to the append-only file, the claim as the equivalent XCLAIM.
#include "tests/bench/peers/wire.hpp"

#include <initializer_list>
#include <vector>

namespace tayfa::bench {

namespace {

void append(std::string& out, std::initializer_list<std::string_view> words) {
  out += "*" + std::to_string(words.size()) + "\r\n";
  for (const auto word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n";
    out += word;
    out += "\r\n";
  }
}

/// Reads all texts of an answer, of any depth, in order.
void read_into(std::vector<std::string>& out, wire& from) {
  const std::string head = from.line();
  const auto count = [&head] { return std::stol(head.substr(1)); };
  switch (head.empty() ? '-' : head.front()) {
  case '+':
  case ':': out.push_back(head.substr(1)); return;
  case '$':
    if (count() >= 0) {
      const auto size = static_cast<std::size_t>(count());
      out.push_back(from.bytes(size + 2));
      out.back().resize(size);
    }
    return;
  case '*':
    for (long left = count(); left > 0; --left) {
      read_into(out, from);
    }
    return;
  default: throw peer_error{"Redis said " + head};
  }
}

std::vector<std::string> answer(wire& from) {
  std::vector<std::string> out;
  read_into(out, from);
  return out;
}

class client final : public stepwise_client {
 public:
  client(std::uint16_t port, unsigned number) : wire_(port), name_("c" + std::to_string(number)) {}

  void accept(const std::string& payload) override {
    ask({"XADD", "jobs", "*", "input", payload});
    answer(wire_);
  }

  std::string claim() override {
    ask({"XREADGROUP", "GROUP", "workers", name_, "COUNT", "1", "BLOCK", "60000", "STREAMS", "jobs",
         ">"});
    auto said = answer(wire_); // stream, id, "input", payload
    if (said.size() != 4) {
      throw peer_error{"Redis gave no job"};
    }
    id_ = std::move(said[1]);
    return std::move(said[3]);
  }

  void complete() override {
    request_.clear();
    append(request_, {"XACK", "jobs", "workers", id_});
    append(request_, {"XDEL", "jobs", id_});
    wire_.send(request_);
    for (int i = 0; i < 2; ++i) {
      if (answer(wire_) != std::vector<std::string>{"1"}) {
        throw peer_error{"Redis did not know the job"};
      }
    }
  }

 private:
  void ask(std::initializer_list<std::string_view> words) {
    request_.clear();
    append(request_, words);
    wire_.send(request_);
  }

  wire wire_;
  std::string name_;
  std::string request_;
  std::string id_;
};

void prepare(const peer_address& at) {
  wire to{at.port};
  std::string request;
  append(request, {"DEL", "jobs"});
  append(request, {"XGROUP", "CREATE", "jobs", "workers", "$", "MKSTREAM"});
  to.send(request);
  answer(to);
  answer(to);
}

} // namespace

const peer redis{"redis", &prepare,
                 [](const peer_address& at, unsigned n) -> std::unique_ptr<peer_client> {
                   return std::make_unique<client>(at.port, n);
                 }};

} // namespace tayfa::bench
