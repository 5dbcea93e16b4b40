// SPDX-License-Identifier: GPL-3.0-or-later
//
// The desktop studio: theme, engine, window. Nothing is decided here.

#include <filesystem>

#include <QApplication>
#include <QCommandLineParser>
#include <QLibraryInfo>
#include <QTimer>
#include <QTranslator>

#include "app/memory.h"
#include "app/velamen/engine_services.h"
#include "ui/pages/standard_pages.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

int main(int argc, char** argv)
{
    using namespace velamen;

    app::keepMemoryForReuse();
    QApplication app(argc, argv);
    QApplication::setApplicationName(QStringLiteral("velamen"));
    QApplication::setApplicationDisplayName(QStringLiteral("Velamen"));
    QApplication::setApplicationVersion(QStringLiteral(VELAMEN_VERSION));
    QTranslator qtTexts;
    if (qtTexts.load(QLocale(), QStringLiteral("qtbase"), QStringLiteral("_"),
                     QLibraryInfo::path(QLibraryInfo::TranslationsPath)))
        QApplication::installTranslator(&qtTexts);

    QCommandLineParser parser;
    parser.setApplicationDescription(
        QObject::tr("Private images in, synthetic images with a proven privacy guarantee out."));
    parser.addHelpOption();
    parser.addVersionOption();
    const QCommandLineOption appearance(QStringLiteral("appearance"),
                                        QObject::tr("system, light or dark."),
                                        QStringLiteral("name"), QStringLiteral("system"));
    const QCommandLineOption demo(QStringLiteral("demo"), QObject::tr("Open the demo project."));
    const QCommandLineOption page(QStringLiteral("page"),
                                  QObject::tr("Show this page first: start, data, model, ..."),
                                  QStringLiteral("name"));
    const QCommandLineOption exits(QStringLiteral("exit-after-startup"),
                                   QObject::tr("Show the window once and quit (for checks)."));
    parser.addOptions({appearance, demo, page, exits});
    parser.addPositionalArgument(QStringLiteral("path"),
                                 QObject::tr("Project folder, image folder, zip or checkpoint."),
                                 QStringLiteral("[path]"));
    parser.process(app);

    const QString look = parser.value(appearance);
    ui::applyTheme(app,
                   look == QLatin1String("dark")        ? ui::Appearance::Dark
                       : look == QLatin1String("light") ? ui::Appearance::Light
                                                        : ui::Appearance::System);

    ui::Studio studio(app::engineServices(ui::toPath(QApplication::applicationFilePath())));
    ui::Dialogs dialogs;
    ui::MainWindow window(studio, dialogs, ui::standardPages(studio, dialogs));
    window.show();
    if (parser.isSet(demo)) studio.openDemo();
    if (!parser.positionalArguments().isEmpty())
        window.openPath(
            std::filesystem::absolute(ui::toPath(parser.positionalArguments().first())));
    if (parser.isSet(page))
        window.showPage(parser.value(page));
    else if (parser.isSet(demo))
        window.showPage(QStringLiteral("data")); // the first thing to look at
    if (parser.isSet(exits)) QTimer::singleShot(0, &app, &QApplication::quit);
    return QApplication::exec();
}
