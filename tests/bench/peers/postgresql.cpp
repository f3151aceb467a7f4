// PostgreSQL: a table, FOR UPDATE SKIP LOCKED, a token as the fence; one commit for each step,
// prepared statements in binary form over its own wire protocol (version 3). Completing deletes the
// row: the cheapest form that is still one.
#include "tests/bench/peers/wire.hpp"

#include <vector>

namespace tayfa::bench {

namespace {

constexpr std::string_view schema =
    "DROP TABLE IF EXISTS jobs;"
    "CREATE TABLE jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL"
    " DEFAULT 0, token bigint NOT NULL DEFAULT 0, lease timestamptz, input bytea NOT NULL);"
    "CREATE INDEX waiting ON jobs (id) WHERE state = 0";
constexpr std::string_view accept_sql = "INSERT INTO jobs (input) VALUES ($1::bytea)";
constexpr std::string_view claim_sql =
    "UPDATE jobs SET state = 1, token = token + 1, lease = now() + interval '1 minute' WHERE id ="
    " (SELECT id FROM jobs WHERE state = 0 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)"
    " RETURNING id, token, input";
constexpr std::string_view complete_sql =
    "DELETE FROM jobs WHERE id = $1::bigint AND token = $2::bigint AND state = 1";

void put(std::string& out, std::uint32_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(number >> shift));
  }
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t out = 0;
  for (const char c : bytes.substr(at, count)) {
    out = out << 8 | static_cast<unsigned char>(c);
  }
  return out;
}

void append(std::string& out, char kind, std::string_view body) {
  out.push_back(kind);
  put(out, static_cast<std::uint32_t>(body.size() + 4), 4);
  out += body;
}

std::string text(std::string_view words) {
  return std::string{words} + '\0';
}

struct outcome {
  std::vector<std::string> row; ///< of the last data row
  std::string tag;              ///< "DELETE 1"
};

class session {
 public:
  explicit session(std::uint16_t port) : wire_(port) {
    std::string hello;
    put(hello, 3U << 16, 4);
    hello += text("user") + text("bench") + text("database") + text("postgres") + '\0';
    std::string framed;
    put(framed, static_cast<std::uint32_t>(hello.size() + 4), 4);
    wire_.send(framed + hello);
    finish();
  }

  void run(std::string_view sql) {
    std::string request;
    append(request, 'Q', text(sql));
    wire_.send(request);
    finish();
  }

  void prepare(std::string_view name, std::string_view sql) {
    std::string request;
    append(request, 'P', text(name) + text(sql) + std::string(2, '\0'));
    append(request, 'S', "");
    wire_.send(request);
    finish();
  }

  outcome execute(std::string_view name, std::initializer_list<std::string_view> values) {
    std::string bind = text("") + text(name);
    put(bind, 1, 2);
    put(bind, 1, 2); // every value is binary
    put(bind, static_cast<std::uint32_t>(values.size()), 2);
    for (const auto value : values) {
      put(bind, static_cast<std::uint32_t>(value.size()), 4);
      bind += value;
    }
    put(bind, 1, 2);
    put(bind, 1, 2); // and so is every column
    std::string request;
    append(request, 'B', bind);
    append(request, 'E', text("") + std::string(4, '\0'));
    append(request, 'S', "");
    wire_.send(request);
    return finish();
  }

 private:
  outcome finish() {
    outcome out;
    for (;;) {
      const std::string head = wire_.bytes(5);
      const std::string body = wire_.bytes(number_at(head, 1, 4) - 4);
      switch (head.front()) {
      case 'Z': return out;
      case 'E': throw peer_error{"PostgreSQL said " + message(body)};
      case 'R':
        if (number_at(body, 0, 4) != 0) {
          throw peer_error{"PostgreSQL wants a password"};
        }
        break;
      case 'C': out.tag = body.substr(0, body.size() - 1); break;
      case 'D': out.row = columns(body); break;
      default: break;
      }
    }
  }

  static std::vector<std::string> columns(const std::string& body) {
    std::vector<std::string> out;
    std::size_t at = 2;
    for (auto left = number_at(body, 0, 2); left > 0; --left) {
      const std::uint32_t size = number_at(body, at, 4);
      out.push_back(body.substr(at + 4, size));
      at += 4 + size;
    }
    return out;
  }

  static std::string message(const std::string& body) {
    for (std::size_t at = 0; at < body.size() && body[at] != '\0';) {
      const std::size_t end = body.find('\0', at);
      if (body[at] == 'M') {
        return body.substr(at + 1, end - at - 1);
      }
      at = end + 1;
    }
    return "an error";
  }

  wire wire_;
};

class client final : public stepwise_client {
 public:
  explicit client(std::uint16_t port) : session_(port) {
    session_.prepare("accept", accept_sql);
    session_.prepare("claim", claim_sql);
    session_.prepare("complete", complete_sql);
  }

  void accept(const std::string& payload) override {
    expect(session_.execute("accept", {payload}), "INSERT 0 1");
  }

  std::string claim() override {
    // Others may take every row in this statement's snapshot and leave later ones: a second look
    // finds those.
    for (int looks = 0; looks < 1000; ++looks) {
      auto found = session_.execute("claim", {});
      if (found.row.size() == 3) {
        id_ = std::move(found.row[0]);
        token_ = std::move(found.row[1]);
        return std::move(found.row[2]);
      }
    }
    throw peer_error{"PostgreSQL gave no job"};
  }

  void complete() override { expect(session_.execute("complete", {id_, token_}), "DELETE 1"); }

 private:
  static void expect(const outcome& got, std::string_view tag) {
    if (got.tag != tag) {
      throw peer_error{"PostgreSQL did " + got.tag};
    }
  }

  session session_;
  std::string id_;
  std::string token_;
};

void prepare(const peer_address& at) {
  session{at.port}.run(schema);
}

} // namespace

const peer postgresql{"postgresql", &prepare,
                      [](const peer_address& at, unsigned) -> std::unique_ptr<peer_client> {
                        return std::make_unique<client>(at.port);
                      }};

} // namespace tayfa::bench
