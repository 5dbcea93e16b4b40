// SPDX-License-Identifier: GPL-3.0-or-later
//
// A checkpoint that leaves something open: the Model page asks, and the project goes on with a
// completed copy.

#include <atomic>
#include <mutex>
#include <thread>

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>

#include "tests/gui/fake_services.h"
#include "tests/gui/studio_test.h"
#include "tests/support/temp_dir.h"

namespace velamen::test {
namespace {

namespace fs = std::filesystem;

class ModelTest : public StudioTest {
protected:
    /// Files leave their prediction open, folders named "pruned" lack an autoencoder.
    void open()
    {
        ui::Services services = fakeServices();
        services.inspect =
            [inspect = services.inspect](const fs::path& path, const std::string& selection,
                                         bool trains) -> Result<checkpoint::Inspection> {
            if (path.extension() == ".ckpt")
                return fail(ErrorCode::Incomplete, "prediction_type unknown: pass eps or v",
                            "both are in use");
            auto found = inspect(path, selection, trains);
            if (found && path.filename() == "pruned")
                found->problems.push_back({ErrorCode::Incomplete, "there is no autoencoder", ""});
            return found;
        };
        services.convert = [this, convert = services.convert](
                               const checkpoint::ConvertRequest& request,
                               std::stop_token stop) -> Result<std::vector<std::string>> {
            {
                const std::lock_guard lock(mutex_);
                asked_ = request;
            }
            ++calls_;
            while (isSlow_ && !stop.stop_requested())
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            if (stop.stop_requested()) {
                Result<std::vector<std::string>> end = fail(ErrorCode::Cancelled, "Cancelled.");
                if (isTooLate_) end = convert(request, stop);
                wasStopped_ = true;
                return end;
            }
            if (request.options.prediction.empty() && request.options.autoencoder.empty())
                return fail(ErrorCode::Incomplete, "prediction_type unknown: pass eps or v");
            return convert(request, stop);
        };
        openWith(std::move(services));
        studio().createProject(temp_.path() / "project", QStringLiteral("project"));
        click("rail.model");
    }

    void choose(const fs::path& path)
    {
        studio().chooseCheckpoint(path);
        ASSERT_TRUE(until([&] {
            return studio().modelProblem()
                && studio().modelProblem()->code == ErrorCode::Incomplete;
        }));
    }

    checkpoint::ConvertRequest asked()
    {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

    TempDir temp_;
    std::mutex mutex_;
    checkpoint::ConvertRequest asked_;
    std::atomic<int> calls_ = 0; ///< of convert
    std::atomic<bool> isSlow_ = false, wasStopped_ = false, isTooLate_ = false;
};

TEST_F(ModelTest, WhatAFileDoesNotSayIsAskedAndTheCopyIsUsed)
{
    open();
    const fs::path file = temp_.path() / "v2.1.ckpt";
    ASSERT_TRUE(core::write_file(file, "x"));
    choose(file);
    EXPECT_EQ(failures_->count(), 0); // the page asks; nothing has failed
    EXPECT_NE(find<QLabel>("model.question")->text().indexOf(QStringLiteral("eps or v")), -1);
    find<QComboBox>("model.prediction")->setCurrentIndex(2);
    find<QLineEdit>("model.heads")->setText(QStringLiteral("5, 10 20;20"));
    find<QLineEdit>("model.betas")->setText(QStringLiteral("0.00085"));
    EXPECT_FALSE(find<QWidget>("model.complete")->isEnabled()); // there are two of them
    find<QLineEdit>("model.betas")->setText(QStringLiteral("0.00085, 0.012"));
    find<QSpinBox>("model.textHeads")->setValue(16);
    click("model.complete");
    const fs::path copy = studio().projectFolder() / "models/v2.1";
    ASSERT_TRUE(until([&] { return studio().inspection() && studio().checkpoint() == copy; }));
    EXPECT_FALSE(studio().modelProblem());
    EXPECT_TRUE(find<QWidget>("model.components")->isVisible());
    const auto request = asked();
    EXPECT_EQ(request.from, file);
    EXPECT_EQ(request.options.prediction, "v");
    EXPECT_EQ(request.options.heads, (std::vector<std::int64_t>{5, 10, 20, 20}));
    EXPECT_EQ(request.options.betas, (std::vector<double>{0.00085, 0.012}));
    EXPECT_EQ(request.options.text_heads, 16);
    EXPECT_EQ(request.options.head_channels, 0);

    // The answers were that file's. An earlier copy may be what a run was tuned from: a second one
    // lies beside it.
    const fs::path other = temp_.path() / "other/v2.1.ckpt";
    ASSERT_TRUE(core::make_directory(other.parent_path()));
    ASSERT_TRUE(core::write_file(other, "x"));
    choose(other);
    EXPECT_EQ(find<QLineEdit>("model.heads")->text(), QString());
    find<QComboBox>("model.prediction")->setCurrentIndex(1);
    click("model.complete");
    ASSERT_TRUE(until([&] { return studio().inspection().has_value(); }));
    EXPECT_EQ(studio().checkpoint(), studio().projectFolder() / "models/v2.1-2");
}

TEST_F(ModelTest, AFolderIsAskedForNothingButItsAutoencoder)
{
    open();
    const fs::path folder = temp_.path() / "pruned";
    ASSERT_TRUE(core::make_directory(folder));
    choose(folder);
    EXPECT_FALSE(find<QWidget>("model.prediction")->isVisible());
    EXPECT_FALSE(find<QWidget>("model.complete")->isEnabled());
    dialogs().files.setNextFileName(QStringLiteral("/other/model"));
    click("model.autoencoder.folder");
    click("model.complete");
    ASSERT_TRUE(until([&] { return !studio().isCompleting(); }));
    EXPECT_EQ(asked().options.autoencoder, fs::path("/other/model"));
}

TEST_F(ModelTest, WhatIsStillOpenIsSaidAndTheAnswersStay)
{
    open();
    const fs::path file = temp_.path() / "v2.1.ckpt";
    ASSERT_TRUE(core::write_file(file, "x"));
    choose(file);
    find<QLineEdit>("model.heads")->setText(QStringLiteral("8"));
    click("model.complete");
    ASSERT_TRUE(until([&] { return failures_->count() == 1; }));
    EXPECT_EQ(studio().checkpoint(), file);
    EXPECT_EQ(find<QLineEdit>("model.heads")->text(), QStringLiteral("8"));
    EXPECT_TRUE(find<QWidget>("model.complete")->isEnabled());
}

TEST_F(ModelTest, WritingTheCopyCanBeCancelled)
{
    open();
    const fs::path file = temp_.path() / "v2.1.ckpt";
    ASSERT_TRUE(core::write_file(file, "x"));
    choose(file);
    isSlow_ = true;
    find<QComboBox>("model.prediction")->setCurrentIndex(1);
    click("model.complete");
    ASSERT_TRUE(until([&] { return calls_ == 1; }));
    EXPECT_FALSE(find<QWidget>("model.complete")->isEnabled());
    click("model.cancel");
    ASSERT_TRUE(until([&] { return wasStopped_.load(); }));
    EXPECT_FALSE(studio().isCompleting());
    EXPECT_EQ(studio().checkpoint(), file);
    EXPECT_TRUE(find<QWidget>("model.complete")->isEnabled());
    EXPECT_EQ(failures_->count(), 0); // what a person asked for is no failure

    // A copy that was done as it was cancelled does not stay either.
    isTooLate_ = true;
    wasStopped_ = false;
    const int before = calls_;
    click("model.complete");
    ASSERT_TRUE(until([&] { return calls_ > before; }));
    click("model.cancel");
    ASSERT_TRUE(until([&] { return wasStopped_.load(); }));
    EXPECT_TRUE(until([&] { return !fs::exists(studio().projectFolder() / "models/v2.1"); }));
    EXPECT_EQ(studio().checkpoint(), file);
}

} // namespace
} // namespace velamen::test
