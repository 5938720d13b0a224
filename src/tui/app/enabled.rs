//! Which actions make sense now: the footer, the palette and the keys go by it. Pure.

use super::*;

impl State {
    /// True when `action` would do something now. Keys, footer and palette ask this.
    pub fn enabled(&self, action: Action) -> bool {
        match action {
            _ if self.screen == Screen::Services
                && screen::services::update::OWN.contains(&action) =>
            {
                screen::services::update::enabled(self, action)
            }
            _ if self.screen == Screen::Flows && screen::flows::update::OWN.contains(&action) => {
                screen::flows::update::enabled(self, action)
            }
            Action::NextMatch | Action::PreviousMatch => self.search.is_active(),
            Action::Search if self.screen == Screen::Flow => false,
            Action::Search | Action::NextPane | Action::PreviousPane
                if matches!(self.screen, Screen::Changes | Screen::Live) =>
            {
                false
            }
            Action::Search | Action::NextPane | Action::PreviousPane => match &self.picture {
                Some(picture) => {
                    self.screen != Screen::Explore || picture.ruleset.shown().next().is_some()
                }
                None => false,
            },
            Action::Find | Action::Reload | Action::Freeze => self.picture.is_some(),
            Action::Cancel => {
                self.overlay.is_some()
                    || self.search.is_editing()
                    || self.search.is_active()
                    || self.routes.is_editing(self.screen)
                    || self.flow.is_editing(self.screen)
                    || self.live.is_editing(self.screen)
                    || (self.screen == Screen::Explore
                        && (self.explore.zoom || self.explore.picked.is_some()))
                    || (self.screen == Screen::Flows && self.flows.zoom)
            }
            Action::ScreenExplore => self.screen != Screen::Explore,
            Action::ScreenRoutes => self.screen != Screen::Routes,
            Action::ScreenChanges => self.screen != Screen::Changes,
            Action::ScreenFlow => self.screen != Screen::Flow,
            Action::Packet
            | Action::StepNext
            | Action::StepBack
            | Action::TurnFamily
            | Action::TurnView => {
                self.screen == Screen::Flow && screen::flow::update::enabled(self, action)
            }
            Action::OpenItem | Action::Back | Action::CopyText if self.screen == Screen::Flow => {
                screen::flow::update::enabled(self, action)
            }
            Action::Complete => {
                matches!(self.overlay, Some(Overlay::Editor(_)))
                    || self.flow.is_editing(self.screen)
            }
            Action::ScreenLive => self.screen != Screen::Live,
            Action::ScreenServices => self.screen != Screen::Services,
            Action::ScreenFlows => self.screen != Screen::Flows,
            Action::SortBack | Action::Reverse | Action::PredictReply => false,
            Action::Watch
            | Action::WatchFilter
            | Action::DropsOnly
            | Action::Pause
            | Action::Predict
            | Action::ClosePath
            | Action::ToRule => screen::live::update::enabled(self, action),
            Action::OpenItem if self.screen == Screen::Live => {
                screen::live::update::enabled(self, action)
            }
            Action::Lookup => self.screen == Screen::Routes,
            Action::Expand
            | Action::Collapse
            | Action::CollapseAll
            | Action::ToggleTree
            | Action::Follow
            | Action::Back
            | Action::ToTree
            | Action::Zoom
            | Action::Syntax
            | Action::Sort => {
                self.screen == Screen::Explore && screen::explore::update::enabled(self, action)
            }
            _ if action.edits() && self.screen == Screen::Explore => {
                screen::explore::update::enabled(self, action)
            }
            Action::Edit | Action::Delete | Action::AddAfter if self.screen == Screen::Routes => {
                screen::routes::update::enabled(self, action)
            }
            _ if action.edits() => screen::changes::update::enabled(self, action),
            Action::KeepCounters
            | Action::TakeTheirs
            | Action::Command
            | Action::Undo
            | Action::Redo
            | Action::Validate
            | Action::Commit
            | Action::ClearChanges
            | Action::Boot
            | Action::SaveBoot
            | Action::Keep
            | Action::RollBack
            | Action::UndoCommit => screen::changes::update::enabled(self, action),
            Action::OpenItem if self.screen == Screen::Routes => {
                screen::routes::update::enabled(self, action)
            }
            Action::OpenItem => {
                self.screen == Screen::Explore && screen::explore::update::enabled(self, action)
            }
            Action::CopyText | Action::CopyHandle => match self.screen {
                Screen::Explore => screen::explore::update::enabled(self, action),
                Screen::Routes => {
                    action == Action::CopyText && screen::routes::update::enabled(self, action)
                }
                Screen::Live => screen::live::update::enabled(self, action),
                Screen::Changes | Screen::Flow | Screen::Services | Screen::Flows => false,
            },
            _ => true,
        }
    }
}
