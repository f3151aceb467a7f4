#include "runtime/cli/event_connection.hpp"

#include <curl/curl.h>
#include <poll.h>
#include <utility>
#include <vector>

namespace tayfa {

namespace {

struct easy_deleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct multi_deleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

bool is_loopback(const std::string& url) {
  const std::size_t at = url.find("://");
  const std::string_view host =
      at == std::string::npos ? std::string_view{} : std::string_view{url}.substr(at + 3);
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

} // namespace

struct event_connection::impl {
  event_reader reader;
  bool open = false;
  bool dead = false;
  bool arrived = false; ///< bytes came since the last check
  long status = 0;
  std::unique_ptr<CURLM, multi_deleter> multi;
  std::unique_ptr<CURL, easy_deleter> easy;

  ~impl() {
    if (multi && easy) {
      curl_multi_remove_handle(multi.get(), easy.get());
    }
  }

  static std::size_t take(char* bytes, std::size_t size, std::size_t count, void* to) noexcept {
    auto& self = *static_cast<impl*>(to);
    try {
      curl_easy_getinfo(self.easy.get(), CURLINFO_RESPONSE_CODE, &self.status);
      if (self.status != 200) {
        return 0;
      }
      self.open = self.arrived = true;
      return self.reader.feed({bytes, size * count}) ? size * count : 0;
    } catch (const std::exception&) {
      return 0;
    }
  }

  void begin(const std::string& url, const secret_text& key) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi.reset(curl_multi_init());
    easy.reset(curl_easy_init());
    if (!multi || !easy) {
      dead = true;
      return;
    }
    CURL* const h = easy.get();
    curl_easy_setopt(h, CURLOPT_URL, url.c_str());
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, 5'000L);
    // The pod sends heartbeats, so two minutes without a byte mean a dead connection.
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, 120L);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, this);
    if (!key.empty()) {
      const std::string text{key.reveal()}; // libcurl keeps a copy
      curl_easy_setopt(h, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
      curl_easy_setopt(h, CURLOPT_XOAUTH2_BEARER, text.c_str());
    }
    if (is_loopback(url)) {
      curl_easy_setopt(h, CURLOPT_PROXY, ""); // proxies are for remote hosts
    }
    dead = curl_multi_add_handle(multi.get(), h) != CURLM_OK;
    step();
  }

  void step() {
    int running = 0;
    if (dead || curl_multi_perform(multi.get(), &running) != CURLM_OK) {
      dead = true;
      return;
    }
    if (running == 0) {
      curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
      dead = true;
    }
  }
};

event_connection::event_connection(const std::string& url, const secret_text& key)
    : impl_(std::make_unique<impl>()) {
  impl_->begin(url, key);
}
event_connection::~event_connection() = default;

void event_connection::wait(std::chrono::milliseconds time, std::span<const int> others) {
  if (impl_->dead) {
    wait_for(time, others);
    return;
  }
  if (!std::exchange(impl_->arrived, false)) {
    std::vector<curl_waitfd> fds;
    for (const int fd : others) {
      fds.push_back({fd, CURL_WAIT_POLLIN, 0});
    }
    int ready = 0;
    curl_multi_poll(impl_->multi.get(), fds.data(), static_cast<unsigned>(fds.size()),
                    static_cast<int>(time.count()), &ready);
  }
  impl_->step();
  impl_->arrived = false;
}

bool event_connection::open() const {
  return impl_->open && !impl_->dead;
}
bool event_connection::dead() const {
  return impl_->dead;
}
unsigned event_connection::status() const {
  return static_cast<unsigned>(impl_->status);
}
std::optional<server_event> event_connection::next() {
  return impl_->reader.next();
}
std::uint64_t event_connection::last() const {
  return impl_->reader.last();
}

void wait_for(std::chrono::milliseconds time, std::span<const int> others) {
  std::vector<pollfd> fds;
  for (const int fd : others) {
    fds.push_back({fd, POLLIN, 0});
  }
  ::poll(fds.data(), fds.size(), static_cast<int>(time.count()));
}

} // namespace tayfa
