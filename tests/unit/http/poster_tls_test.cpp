// TLS: certificates that the poster accepts.
#include "runtime/http_client/curl_poster.hpp"

#include "tests/unit/http/asking.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed<X509_free>>;

/// Signed by itself, for one name, for `seconds` from now (in the past when negative).
certificate_ptr certificate_for(const char* name, EVP_PKEY* key, long seconds) {
  certificate_ptr out{X509_new()};
  X509_set_version(out.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), seconds);
  X509_set_pubkey(out.get(), key);
  X509_NAME* const subject = X509_get_subject_name(out.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(out.get(), subject);
  const std::string alternative = std::string{"DNS:"} + name;
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative.c_str());
  X509_add_ext(out.get(), extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(out.get(), key, EVP_sha256());
  return out;
}

/// Serves one request per connection, one connection at a time, over TLS on loopback.
class secure_receiver {
 public:
  /// With `holds` it answers when the caller has closed its sending side.
  explicit secure_receiver(const char* name, long seconds = 86'400, bool holds = false)
      : holds_(holds), key_(EVP_EC_gen("P-256")),
        certificate_(certificate_for(name, key_.get(), seconds)),
        context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_options(context_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* const any = reinterpret_cast<sockaddr*>(&at);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread{[this] { serve(); }};
  }
  secure_receiver(const secure_receiver&) = delete;
  secure_receiver& operator=(const secure_receiver&) = delete;
  ~secure_receiver() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string port() const { return std::to_string(port_); }
  int served() const { return served_; }
  void wait_for_a_request() const { served_.wait(0); }
  int goodbyes() const { return goodbyes_; }
  X509* certificate() const { return certificate_.get(); }

 private:
  void serve() {
    sigset_t pipe; // OpenSSL writes to peers that have left
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      const timeval limit{10, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      const std::unique_ptr<SSL, freed<SSL_free>> session{SSL_new(context_.get())};
      SSL_set_fd(session.get(), fd);
      char bytes[4096];
      if (SSL_accept(session.get()) == 1 && SSL_read(session.get(), bytes, sizeof bytes) > 0) {
        ++served_;
        served_.notify_all();
        if (holds_ && SSL_read(session.get(), bytes, sizeof bytes) == 0) {
          ++goodbyes_;
        }
        const std::string answer = answered(200, "secret", "Connection: close\r\n").bytes;
        SSL_write(session.get(), answer.data(), static_cast<int>(answer.size()));
        SSL_shutdown(session.get());
      }
      ::close(fd);
    }
  }

  bool holds_;
  key_ptr key_;
  certificate_ptr certificate_;
  std::unique_ptr<SSL_CTX, freed<SSL_CTX_free>> context_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> served_{0};
  std::atomic<int> goodbyes_{0};
  std::thread thread_;
};

/// A file that holds the certificate, gone with the test.
class trusted_file {
 public:
  explicit trusted_file(X509* certificate) {
    const int fd = ::mkstemp(name_.data());
    FILE* const file = ::fdopen(fd, "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
  }
  trusted_file(const trusted_file&) = delete;
  trusted_file& operator=(const trusted_file&) = delete;
  ~trusted_file() { ::unlink(name_.c_str()); }
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "/tmp/tayfa-trusted-XXXXXX";
};

poster_options options_for(const secure_receiver& there) {
  auto options = local_options();
  for (const std::string name : {"hook.test", "other.test"}) {
    options.pinned.push_back(name + ":" + there.port() + ":127.0.0.1");
  }
  return options;
}

TEST(poster_tls, a_trusted_receiver_of_the_right_name_is_believed) {
  secure_receiver there{"hook.test"};
  const trusted_file trusted{there.certificate()};
  auto options = options_for(there);
  options.ca_file = trusted.name();
  const auto answer = ask(call_to("https://hook.test:" + there.port() + "/x"), options);
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->body, "secret");
}

TEST(poster_tls, a_receiver_that_vouches_for_itself_is_not_believed) {
  secure_receiver there{"hook.test"};
  auto call = call_to("https://hook.test:" + there.port() + "/x");
  EXPECT_EQ(code_of(ask(call, options_for(there))), errc::io_error);
  call.guarded = false;
  EXPECT_EQ(code_of(ask(call, options_for(there))), errc::io_error);
  EXPECT_EQ(there.served(), 0);
}

TEST(poster_tls, a_trusted_receiver_of_another_name_is_not_believed) {
  secure_receiver there{"hook.test"};
  const trusted_file trusted{there.certificate()};
  auto options = options_for(there);
  options.ca_file = trusted.name();
  EXPECT_EQ(code_of(ask(call_to("https://other.test:" + there.port() + "/x"), options)),
            errc::io_error);
  EXPECT_EQ(there.served(), 0);
}

TEST(poster_tls, an_expired_certificate_is_not_believed) {
  secure_receiver there{"hook.test", -3'600};
  const trusted_file trusted{there.certificate()};
  auto options = options_for(there);
  options.ca_file = trusted.name();
  EXPECT_EQ(code_of(ask(call_to("https://hook.test:" + there.port() + "/x"), options)),
            errc::io_error);
  EXPECT_EQ(there.served(), 0);
}

TEST(poster_tls, the_guard_judges_before_a_handshake) {
  secure_receiver there{"hook.test"};
  auto options = options_for(there);
  options.guard = {};
  EXPECT_EQ(code_of(ask(call_to("https://hook.test:" + there.port() + "/x"), options)),
            errc::webhook_refused);
}

TEST(poster_tls, a_dropped_call_s_server_learns_of_it_and_its_last_word_is_taken) {
  secure_receiver there{"hook.test", 86'400, true};
  const trusted_file trusted{there.certificate()};
  auto options = options_for(there);
  options.ca_file = trusted.name();
  auto call = call_to("https://hook.test:" + there.port() + "/x");
  call.timeout = 60s;
  answers got;
  curl_poster poster{options};
  const auto ticket = got.send(poster, call);
  there.wait_for_a_request();
  poster.drop(ticket, 60s);
  const auto& answer = got.wait(1).front();
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->body, "secret");
  EXPECT_EQ(there.goodbyes(), 1);
}

} // namespace
} // namespace tayfa
