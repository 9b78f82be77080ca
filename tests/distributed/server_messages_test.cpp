// Messages of the parameter server: what is written is read again, and no bytes, whatever they are, are read beyond their end
// or taken for more than they are. The log: what a killed process leaves of it.
#include <doctest/doctest.h>

#include <strata/core/random.hpp>
#include <strata/distributed/server/code_residual.hpp>
#include <strata/distributed/server/messages.hpp>
#include <strata/distributed/server/record_log.hpp>
#include <strata/distributed/server/served_identity.hpp>
#include <strata/distributed/server/wait_notice.hpp>

#include "../io/files.hpp"

using namespace strata;
using namespace strata::detail;

namespace {

using Bytes = std::vector<std::byte>;

/// One message of each kind.
std::vector<Bytes> messages() {
    static Bytes const numbers(37, std::byte{9});
    std::vector<Bytes> all;
    HelloMessage hello{1, 4, 0, 2, -1, 77, 8, "Int8", {{"the seed", "8"}, {"the network", std::string(300, 'n')}}};
    all.push_back(to_bytes(hello));
    PushMessage push{77, 1, 3, 12, 32, 256, 0, 0.1, 0.9, {13, 12}, numbers};
    all.push_back(to_bytes(push));
    all.push_back(to_bytes(PullMessage{77, 1, 3, {13, -1}}));
    all.push_back(to_bytes(CompareMessage{77, 1, 12, {{"batch_size", "64"}}}));
    all.push_back(to_bytes(LeaveMessage{77, 1}));
    all.push_back(to_bytes(WelcomeMessage{0, 4096, 8192, 12}));
    all.push_back(to_bytes(AcceptedMessage{0, 3, 13, 2, 12}));
    all.push_back(to_bytes(WeightsMessage{0, 3, 13, 13, -1, 1, 0, 5000, {11, 12}, numbers}));
    all.push_back(to_bytes(DoneMessage{1, 5}));
    all.push_back(to_bytes(RefusedMessage{"no"}));
    return all;
}

/// Reads bytes as the message of the kind that they say, and uses all of it. False where they are refused.
bool read(std::span<std::byte const> bytes) {
    std::size_t used = 0;
    auto const use = [&]<class Message>(Message const& message) {
        if constexpr (requires { message.payload; })
            for (std::byte const b : message.payload) used += static_cast<std::size_t>(b);
        auto const again = to_bytes(message);
        CHECK(again.size() == bytes.size());
        CHECK(std::equal(again.begin(), again.end(), bytes.begin()));
    };
    try {
        switch (message_kind(bytes)) {
            case MessageKind::hello:
                use(message_from<HelloMessage>(bytes));
                break;
            case MessageKind::push:
                use(message_from<PushMessage>(bytes));
                break;
            case MessageKind::pull:
                use(message_from<PullMessage>(bytes));
                break;
            case MessageKind::compare:
                use(message_from<CompareMessage>(bytes));
                break;
            case MessageKind::leave:
                use(message_from<LeaveMessage>(bytes));
                break;
            case MessageKind::welcome:
                use(message_from<WelcomeMessage>(bytes));
                break;
            case MessageKind::accepted:
                use(message_from<AcceptedMessage>(bytes));
                break;
            case MessageKind::weights:
                use(message_from<WeightsMessage>(bytes));
                break;
            case MessageKind::done:
                use(message_from<DoneMessage>(bytes));
                break;
            case MessageKind::refused:
                use(message_from<RefusedMessage>(bytes));
                break;
        }
        return true;
    } catch (Error const&) { return false; }
}
/// On a heap block of exactly that size, so that AddressSanitizer sees the first byte beyond it.
bool read_alone(Bytes const& bytes) {
    auto const own = std::make_unique<std::byte[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), own.get());
    return read({own.get(), bytes.size()});
}

}  // namespace

TEST_CASE("messages are read as they were written") {
    for (auto const& message : messages()) CHECK(read_alone(message));
    auto const bytes = messages()[1];
    auto const push = message_from<PushMessage>(bytes);
    CHECK(push.clock == 12);
    CHECK(push.learning_rate == 0.1);
    CHECK(push.read == PieceRead{13, 12});
    CHECK(push.payload.size() == 37);
    CHECK_THROWS_WITH_AS(message_from<PullMessage>(bytes), "a message is of another kind than expected", Error);
}

TEST_CASE("a message that is cut off is refused, whatever its kind") {
    for (auto const& message : messages()) {
        std::size_t payload = 0;
        if (auto const kind = message_kind(message); kind == MessageKind::push || kind == MessageKind::weights)
            payload = 37;
        for (std::size_t size = 0; size < message.size(); ++size) {
            bool const taken = read_alone(Bytes(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size)));
            CHECK(taken == (size >= message.size() - payload));  // what is left of a payload is its receiver's to check
        }
        Bytes longer = message;
        longer.push_back(std::byte{});
        CHECK(read_alone(longer) == (payload > 0));
    }
}

TEST_CASE("a length that is more than there is reserves nothing") {
    MessageWriter write(64);
    write(message_mark), write(std::uint8_t(MessageKind::compare)), write(std::uint64_t{77}), write(std::uint32_t{1});
    write(std::int64_t{0}), write(std::uint32_t{0xFFFFFFFF});
    CHECK_THROWS_WITH_AS(message_from<CompareMessage>(write.take()),
                         "a message has 4294967295 items, expected at most 32", Error);
    MessageWriter other(64);
    other(message_mark), other(std::uint8_t(MessageKind::refused)), other(std::uint32_t{0xFFFFFFF0});
    CHECK_THROWS_WITH_AS(message_from<RefusedMessage>(other.take()),
                         "a message's text has 4294967280 bytes, expected at most 4096", Error);
    auto weights = to_bytes(WeightsMessage{});
    std::fill_n(weights.end() - 4, 4, std::byte{0xFF});  // the clocks that it names
    CHECK_THROWS_WITH_AS(message_from<WeightsMessage>(weights),
                         "a message has 4294967295 clocks, expected at most 1024", Error);
}

TEST_CASE("random bytes and random changes of messages are read or refused, and nothing else") {
    Random random(5, Purpose::user);
    auto const originals = messages();
    int taken = 0, refused = 0;
    for (int round = 0; round < 40'000; ++round) {
        Bytes bytes = originals[random.below(static_cast<std::uint32_t>(originals.size()))];
        if (round % 8 == 0)
            for (auto& b : bytes) b = static_cast<std::byte>(random.below(256));
        for (std::uint32_t change = random.below(4); change > 0 && !bytes.empty(); --change) {
            std::size_t const at = random.below(static_cast<std::uint32_t>(bytes.size()));
            switch (random.below(4)) {
                case 0:
                    bytes[at] ^= static_cast<std::byte>(1u << random.below(8));
                    break;
                case 1:
                    bytes[at] = static_cast<std::byte>(random.below(2) == 0 ? 0xFF : 0);
                    break;
                case 2:
                    bytes.resize(at);
                    break;
                default:
                    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::byte{0x7F});
                    break;
            }
        }
        ++(read_alone(bytes) ? taken : refused);
    }
    CHECK(taken > 5'000);
    CHECK(refused > 5'000);
}

TEST_CASE("a log that was cut off anywhere is that of the records before, and goes on from there") {
    TemporaryDirectory const directory;
    std::string const path = directory / "log";
    std::vector<Bytes> const records{Bytes(5, std::byte{1}), Bytes(), Bytes(40, std::byte{3}), Bytes(1, std::byte{4})};
    {
        auto log = RecordLog::create(path, false);
        for (auto const& record : records) log.append(record);
    }
    std::string const whole = read_bytes(path);
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        write_bytes(path, whole.substr(0, size));
        std::vector<Bytes> got;
        auto const keep = [&](std::span<std::byte const> bytes) { got.emplace_back(bytes.begin(), bytes.end()); };
        std::size_t end = 0, count = 0;
        while (count < records.size() && end + 24 + records[count].size() <= size) end += 24 + records[count++].size();
        RecordLog::open(path, false, keep).append(records[2]);
        CHECK(got == std::vector<Bytes>(records.begin(), records.begin() + static_cast<std::ptrdiff_t>(count)));
        got.clear();
        CHECK(RecordLog::read(path, keep) == end + 24 + 40);
        CHECK(got.size() == count + 1);
        CHECK(got.back() == records[2]);
    }
}

TEST_CASE("a log's damaged last record is cut off, a damaged one before is an Error") {
    TemporaryDirectory const directory;
    std::string const path = directory / "log";
    {
        auto log = RecordLog::create(path, true);
        for (int i = 0; i < 3; ++i) log.append(Bytes(20, std::byte{7}));
    }
    std::string bytes = read_bytes(path);
    int records = 0;
    auto const count = [&](std::span<std::byte const>) { ++records; };
    bytes[2 * 44 + 30] ^= 1;
    write_bytes(path, bytes);
    RecordLog::open(path, false, count);
    CHECK(records == 2);
    bytes[44 + 30] ^= 1;
    write_bytes(path, bytes);
    CHECK_THROWS_WITH_AS(RecordLog::open(path, false, count),
                         (path + ": the record at byte 44 of the log is damaged, and others follow it").c_str(), Error);
    bytes[44] ^= 1;  // its length: what follows is not lost for it
    write_bytes(path, bytes);
    CHECK_THROWS_WITH_AS(RecordLog::open(path, false, count),
                         (path + ": the record at byte 44 of the log is damaged, 88 bytes before its end: nothing was "
                                 "changed")
                             .c_str(),
                         Error);
    CHECK(read_bytes(path) == bytes);
}

TEST_CASE("what is compared is compared or refused, however much there is of it") {
    std::vector<MessageItem> known;
    for (std::size_t k = 0; k < most_items; ++k) {
        compare_items(known, {{concatenate("option ", k), "1"}}, 0, most_items);
        compare_items(known, {{concatenate("option ", k), "1"}}, 1, most_items);
        CHECK_THROWS_AS(compare_items(known, {{concatenate("option ", k), "2"}}, 1, most_items), Error);
    }
    CHECK_THROWS_WITH_AS(compare_items(known, {{"one more", "1"}}, 1, most_items),
                         "worker 1 says what one more is, beyond the 32 things that a server compares", Error);
    // Of long texts what is around the first difference.
    std::string const text(3000, 'a');
    std::string const error = [&] {
        try {
            std::vector<MessageItem> item{{"the network", text + "Linear<7>" + text}};
            compare_items(item, {{"the network", text + "Linear<8>" + text}}, 2, most_items);
        } catch (Error const& thrown) { return std::string(thrown.what()); }
        return std::string();
    }();
    CHECK(error.find("aaaaLinear<7>aaaa") != std::string::npos);
    CHECK(error.find("aaaaLinear<8>aaaa") != std::string::npos);
    CHECK(error.size() < 400);
    // And texts that differ behind what a message can hold.
    std::string const longer(2 * most_text, 'b');
    CHECK(message_text(longer).size() <= most_text);
    CHECK(message_text(longer) != message_text(longer + "c"));
}

TEST_CASE("changes of weights are encoded without the gradients' momentum") {
    std::vector<float> const change(200, 0.25f);
    for (ServedCode const& code : {ServedCode(OneBit{.momentum = 0.9, .nesterov = true}),
                                   ServedCode(TopK{.fraction = 1, .momentum = 0.9, .nesterov = true})}) {
        ServedCode const changes = code.without_momentum();
        std::vector<float> state(change.size() * changes.states()), decoded(change.size());
        std::vector<std::byte> bytes;
        changes.encode<float>(0, change, state, bytes);
        code.decode<float>(0, bytes, decoded);  // the worker's
        CHECK(decoded == change);
    }
}

TEST_CASE("a step of which no update was made leaves no trace in what codes have to say yet") {
    constexpr std::size_t count = 300;
    Random random(3, Purpose::user);
    std::vector<std::vector<float>> gradients;
    for (int step = 0; step < 5; ++step) {
        auto& gradient = gradients.emplace_back(count);
        for (float& g : gradient) g = static_cast<float>(random.uniform()) - 0.5f;
    }
    for (ServedCode const& code : {ServedCode(Int8{}), ServedCode(OneBit{}), ServedCode(Float16{}),
                                   ServedCode(TopK{.fraction = 0.1, .momentum = 0.9})}) {
        CAPTURE(code.text());
        CodeResidual<float> with(code, count), without(code, count);
        std::vector<std::byte> bytes;
        for (std::int64_t step = 0; step < 5; ++step) {
            bytes.clear();
            with.encode(code, step, gradients[static_cast<std::size_t>(step)], bytes);
            std::int64_t const left_out[]{2};
            with.settle(step + 1, left_out);
            if (step == 2) continue;
            std::vector<std::byte> same;
            without.encode(code, step, gradients[static_cast<std::size_t>(step)], same);
            without.settle(step + 1, {});
            CHECK(bytes == same);
        }
        // Known later (Ssp): what earlier steps had left is said all the same. What is left and what was said of the steps
        // that were made are their gradients, but for the rounding of three additions.
        if (code.states() > 1) continue;
        CodeResidual<float> late(code, count);
        std::vector<float> sum(count), said(count);
        for (std::int64_t step = 0; step < 5; ++step) {
            bytes.clear();
            late.encode(code, step, gradients[static_cast<std::size_t>(step)], bytes);
            code.decode<float>(step, bytes, said);
            for (std::size_t i = 0; i < count && step != 1 && step != 2; ++i)
                sum[i] += gradients[static_cast<std::size_t>(step)][i] - said[i];
        }
        std::int64_t const left_out[]{1, 2};
        late.settle(5, left_out);
        for (std::size_t i = 0; i < count; ++i) CHECK(late.left()[i] == doctest::Approx(sum[i]).epsilon(1e-5));
    }
}

TEST_CASE("who waits for long says so, once a waiting, and of later ones only where they are longer") {
    TemporaryDirectory const directory;
    std::string const path = directory / "stderr";
    int const kept = dup(2);
    std::fflush(stderr);
    {
        FileDescriptor const file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), path);
        dup2(file.get(), 2);
    }
    WaitNotice notice;
    WaitNotice::Clock::time_point now{};
    for (int waiting = 0; waiting < 2; ++waiting) {
        notice.begin(now);
        for (int tenth = 0; tenth < 35; ++tenth, now += std::chrono::milliseconds(100))
            notice.look(now, 120, [] { return "no answer of server 1 at tcp://a:5"; });
    }
    std::fflush(stderr);
    dup2(kept, 2);
    close(kept);
    CHECK(read_bytes(path) == "no answer of server 1 at tcp://a:5 for 2 s; it is waited for up to 120 s\n");
}
