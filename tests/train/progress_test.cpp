// labels: libcxx
// What people see of a training: the bar on a pseudo terminal, the lines in a pipe. The clock is the test's own.
#include "strata/train/progress.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <string>
#include <vector>

using namespace strata;

namespace {

double time_now = 0;
double test_clock() { return time_now; }

/// One end of a pipe or of a pseudo terminal to write to, the other to read back what was written.
class Channel {
public:
    Channel(Channel const&) = delete;
    Channel& operator=(Channel const&) = delete;
    ~Channel() {
        std::fclose(output);
        close(reader_);
    }
    static Channel pipe() {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        return {ends[0], ends[1]};
    }
    static Channel terminal(unsigned short columns) {
        int const master = posix_openpt(O_RDWR | O_NOCTTY);
        REQUIRE(master >= 0);
        REQUIRE(grantpt(master) == 0);
        REQUIRE(unlockpt(master) == 0);
        int const slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        REQUIRE(slave >= 0);
        termios settings{};
        tcgetattr(slave, &settings);
        cfmakeraw(&settings);  // a "\n" stays a "\n"
        tcsetattr(slave, TCSANOW, &settings);
        resize(slave, columns);
        return {master, slave};
    }
    static void resize(int terminal, unsigned short columns) {
        winsize size{};
        size.ws_col = columns;
        size.ws_row = 24;
        REQUIRE(ioctl(terminal, TIOCSWINSZ, &size) == 0);
    }
    /// What was written since the last call.
    std::string read() {
        std::fflush(output);
        std::string text;
        char part[4096];
        for (ssize_t n = 0; (n = ::read(reader_, part, sizeof part)) > 0;)
            text.append(part, static_cast<std::size_t>(n));
        return text;
    }

    FILE* output;

private:
    Channel(int reader, int writer) : output(fdopen(writer, "w")), reader_(reader) {
        REQUIRE(output != nullptr);
        fcntl(reader_, F_SETFL, O_NONBLOCK);
    }

    int reader_;
};

/// The lines a terminal shows after `text`; spaces at line ends are left out.
std::vector<std::string> screen(std::string const& text) {
    std::vector<std::string> lines(1);
    std::size_t column = 0;
    for (char const c : text) {
        if (c == '\n') {
            lines.emplace_back();
            column = 0;
        } else if (c == '\r') {
            column = 0;
        } else {
            auto& line = lines.back();
            if (line.size() <= column) line.resize(column + 1, ' ');
            line[column++] = c;
        }
    }
    for (auto& line : lines)
        while (!line.empty() && line.back() == ' ') line.pop_back();
    return lines;
}

ProgressState state_at(std::int64_t epoch, std::int64_t sample) {
    return {.epoch = epoch,
            .epochs = 10,
            .sample = sample,
            .samples = 60000,
            .loss = 0.43219,
            .accuracy = 0.8532,
            .learning_rate = 0.001};
}

EpochRecord record_of(std::int64_t epoch) {
    return {.epoch = epoch,
            .learning_rate = 0.001,
            .train_loss = 0.4,
            .train_accuracy = 0.85,
            .test_loss = 0.5,
            .test_accuracy = 0.8449,
            .seconds = 6,
            .images_per_second = 10000};
}

char const* const record_line =
    "epoch  1/10  train loss 0.4000  acc 85.00 %  test loss 0.5000  acc 84.49 %  lr 0.001  6.0 s  10000 images/s";

}  // namespace

TEST_CASE("a terminal gets a bar, a pipe gets lines, a dumb terminal gets lines") {
    auto pipe = Channel::pipe();
    auto terminal = Channel::terminal(80);
    setenv("TERM", "xterm", 1);
    CHECK(Progress(ProgressStyle::automatic, terminal.output).style() == ProgressStyle::bar);
    CHECK(Progress(ProgressStyle::automatic, pipe.output).style() == ProgressStyle::lines);
    CHECK(Progress(ProgressStyle::bar, pipe.output).style() == ProgressStyle::bar);
    CHECK(Progress(ProgressStyle::lines, terminal.output).style() == ProgressStyle::lines);
    setenv("TERM", "dumb", 1);
    CHECK(Progress(ProgressStyle::automatic, terminal.output).style() == ProgressStyle::lines);
    CHECK(terminal.read().empty());
    CHECK(pipe.read().empty());
}

TEST_CASE("what is counted has its name") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::lines, terminal.output, test_clock, "tokens");
    progress.end_epoch(record_of(1));
    CHECK(terminal.read().find("  10000 tokens/s") != std::string::npos);
}

TEST_CASE("the bar shows the state of training") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 100;
    progress.update(state_at(0, 0));
    CHECK(screen(terminal.read()) ==
          std::vector<std::string>{
              "epoch  1/10 [>                                       ]  loss 0.4322  acc 85.32 %  lr 0.001"});
    // 30000 images in 3 s are 10000 images/s; 570000 are left.
    time_now = 103;
    progress.update(state_at(0, 30000));
    CHECK(
        screen(terminal.read()) ==
        std::vector<std::string>{"epoch  1/10 [====================>                   ]  loss 0.4322  acc 85.32 %  lr "
                                 "0.001  10000 images/s  ETA 0:57"});
    time_now = 106;
    progress.end_epoch(record_of(1));
    CHECK(screen("epoch [======" + terminal.read()) == std::vector<std::string>{record_line, ""});
}

TEST_CASE("the next epoch counts its own images/s, and ETA counts evaluation too") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 0;
    progress.update(state_at(0, 0));
    time_now = 6;
    progress.update(state_at(0, 60000));
    time_now = 9;  // three seconds of evaluation
    progress.end_epoch(record_of(1));
    progress.update(state_at(1, 0));
    terminal.read();
    time_now = 12;
    progress.update(state_at(1, 60000));
    // 60000 images in 3 s in this epoch; 120000 in 12 s altogether, so the 480000 left take 48 s.
    CHECK(screen(terminal.read()).back() ==
          "epoch  2/10 [========================================]  loss 0.4322  acc 85.32 %  lr 0.001  20000 images/s  "
          "ETA "
          "0:48");
}

TEST_CASE("a training resumed within an epoch counts only what it did itself") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 0;
    progress.update(state_at(8, 30000));
    time_now = 3;
    progress.update(state_at(8, 33000));
    auto const text = terminal.read();
    CHECK(text.find(" 1000 images/s  ETA 1:27") != std::string::npos);
}

TEST_CASE("ETA of hours") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 0;
    progress.update(state_at(0, 0));
    time_now = 100;
    progress.update(state_at(0, 6000));
    CHECK(terminal.read().find("  60 images/s  ETA 2:45:00") != std::string::npos);
}

TEST_CASE("the bar is drawn at most ten times a second") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    int draws = 0;
    for (int i = 0; i <= 1000; ++i) {
        time_now = i * 0.002;
        progress.update(state_at(0, i));
        for (char const c : terminal.read()) draws += c == '\r';
    }
    // 2 s: one at the start and one at each tenth, where rounding may take one or two away.
    CHECK(draws <= 21);
    CHECK(draws >= 19);
}

TEST_CASE("the bar fits the terminal and follows its width") {
    auto terminal = Channel::terminal(80);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 0;
    progress.update(state_at(0, 0));
    terminal.read();
    auto const draw = [&](unsigned short columns) {
        Channel::resize(fileno(terminal.output), columns);
        time_now += 3;
        progress.update(state_at(0, static_cast<std::int64_t>(10000 * time_now)));
        auto text = terminal.read();
        CHECK(text.size() <= columns);  // the "\r" and at most one character less than the terminal has
        while (text.back() == ' ') text.pop_back();
        return text;
    };
    CHECK(draw(80) == "\repoch  1/10 [======>      ]  loss 0.4322  acc 85.32 %  10000 images/s  ETA 0:57");
    CHECK(draw(60) == "\repoch  1/10 [======================]  loss 0.4322  ETA 0:54");
    CHECK(draw(40) == "\repoch  1/10 [============]  loss 0.4322");
    CHECK(draw(30) == "\repoch  1/10 [===============]");
    CHECK(draw(12) == "\repoch  1/10");
    CHECK(draw(1) == "\r");
}

TEST_CASE("a bar that becomes shorter leaves nothing behind") {
    auto terminal = Channel::terminal(120);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 0;
    progress.update(state_at(0, 0));
    time_now = 1;
    auto state = state_at(0, 0);
    state.accuracy = state.learning_rate = ProgressState::unknown;
    progress.update(state);
    CHECK(screen(terminal.read()).back() == "epoch  1/10 [>                                       ]  loss 0.4322");
}

TEST_CASE("without a width the bar goes by COLUMNS") {
    auto pipe = Channel::pipe();
    Progress progress(ProgressStyle::bar, pipe.output, test_clock);
    time_now = 0;
    setenv("COLUMNS", "41", 1);
    progress.update(state_at(0, 0));
    CHECK(pipe.read() == "\repoch  1/10 [>            ]  loss 0.4322");
    unsetenv("COLUMNS");
    time_now = 1;
    progress.update(state_at(0, 0));
    CHECK(pipe.read().size() > 60);
}

TEST_CASE("a message stands above the bar, an error below it") {
    auto terminal = Channel::terminal(60);
    std::string text;
    {
        Progress progress(ProgressStyle::bar, terminal.output, test_clock);
        time_now = 0;
        progress.update(state_at(0, 0));
        progress.print("step 7 skipped:\nthe loss is nan");
        time_now = 1;
        progress.update(state_at(0, 0));
        text = terminal.read();
    }
    text += terminal.read() + "error: disk full";
    auto const lines = screen(text);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == "step 7 skipped:");
    CHECK(lines[1] == "the loss is nan");
    CHECK(lines[2].starts_with("epoch  1/10 [>"));
    CHECK(lines[3] == "error: disk full");
}

TEST_CASE("a pipe gets one line an epoch, and one every 30 s of a long epoch") {
    auto pipe = Channel::pipe();
    Progress progress(ProgressStyle::lines, pipe.output, test_clock);
    time_now = 0;
    for (int i = 0; i <= 65; ++i, time_now += 1) progress.update(state_at(0, 600 * i));
    CHECK(pipe.read() ==
          "epoch  1/10   30 %  loss 0.4322  acc 85.32 %  lr 0.001  600 images/s  ETA 16:10\n"
          "epoch  1/10   60 %  loss 0.4322  acc 85.32 %  lr 0.001  600 images/s  ETA 15:40\n");
    progress.end_epoch(record_of(1));
    CHECK(pipe.read() == concatenate(record_line, "\n"));  // g++ 12 warns of the string that + makes
    for (int i = 0; i < 25; ++i, time_now += 1) progress.update(state_at(1, 600 * i));
    progress.end_epoch(record_of(2));
    auto const second = pipe.read();
    CHECK(second.starts_with("epoch  2/10  train loss"));
    CHECK(second.find('\n') == second.size() - 1);
    for (char const c : second) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
}

TEST_CASE("what is unknown is not shown") {
    auto pipe = Channel::pipe();
    Progress progress(ProgressStyle::bar, pipe.output, test_clock);
    time_now = 0;
    progress.update({});
    CHECK(pipe.read() == "\repoch 1 [>                                       ]");
    progress.end_epoch({.epoch = 1, .train_loss = 0.25});
    CHECK(screen("x" + pipe.read())[0] == "epoch 1  train loss 0.2500");
}

TEST_CASE("style none writes nothing") {
    auto pipe = Channel::pipe();
    {
        Progress progress(ProgressStyle::none, pipe.output, test_clock);
        progress.update(state_at(0, 0));
        progress.print("text");
        progress.end_epoch(record_of(1));
    }
    CHECK(pipe.read().empty());
}

TEST_CASE("numbers out of all proportion do no harm") {
    auto terminal = Channel::terminal(60000);
    Progress progress(ProgressStyle::bar, terminal.output, test_clock);
    time_now = 0;
    auto state = state_at(0, 0);
    state.loss = state.accuracy = state.learning_rate = 1e308;
    progress.update(state);
    time_now = 1e-300;
    state.sample = -5;
    progress.update(state);
    time_now = 1e9;
    state.sample = 1;
    progress.update(state);
    CHECK(terminal.read().size() < 4000);
}

TEST_CASE("the steady clock goes forward") {
    auto const before = Progress::steady_seconds();
    CHECK(Progress::steady_seconds() >= before);
}
