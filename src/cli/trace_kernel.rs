//! `hookscope trace --in-kernel`: the same question to the kernel, in a twin of the machine's network, and both answers
//! side by side.

use anyhow::Context;
use hookscope::flow::options;
use hookscope::flow::words::Words;
use hookscope::flow::{Question, Simulator, Trace};
use hookscope::lab::twin::{Act, Comparison, Twin, compare, json};
use hookscope::lang::nft::delinearize::TableView;
use hookscope::lang::nft::facts;
use hookscope::model::{Name, Snapshot};
use hookscope::session::case::{self, Case};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A twin with what is needed to compare.
pub struct Asked<'a> {
    twin: Twin,
    picture: &'a Arc<Snapshot>,
}

/// Both answers to one packet.
pub struct Both {
    pub comparison: Comparison,
    /// The member `in_kernel` of the JSON.
    pub json: Value,
}

impl<'a> Asked<'a> {
    pub fn new(picture: &'a Arc<Snapshot>, questions: &[&Question]) -> anyhow::Result<Asked<'a>> {
        let mut entries: Vec<Name> = questions
            .iter()
            .filter_map(|question| question.iif.as_deref().map(Name::from))
            .collect();
        entries.sort();
        entries.dedup();
        let twin = Twin::new(picture, &entries)?;
        Ok(Asked { twin, picture })
    }

    pub fn ask(
        &self,
        simulator: &Simulator<'_>,
        question: &Question,
        trace: &Trace,
    ) -> anyhow::Result<Both> {
        let answer = self.twin.ask(question, trace)?;
        let comparison = compare(self.picture, simulator, trace, &answer);
        let text = |act: &Act| self.text(act);
        let json = json(
            self.picture,
            &answer,
            &comparison,
            &self.twin.not_copied,
            text,
        );
        Ok(Both { comparison, json })
    }

    fn text(&self, act: &Act) -> Option<String> {
        let table = self.picture.ruleset.table(act.family, &act.table)?;
        let rules = &table.chain(&act.chain)?.rules;
        let rule = rules.iter().find(|rule| Some(rule.handle) == act.handle)?;
        let view = TableView::new(table);
        Some(facts::rule_text_stateless(&view, &self.picture.names, rule))
    }

    /// The kernel's answer for people.
    pub fn lines(&self, both: &Both) -> Vec<String> {
        let comparison = &both.comparison;
        let mut out = vec!["the kernel itself, in a copy of this network:".to_owned()];
        for act in &comparison.kernel {
            let text = self.text(act).map(|text| format!(": {text}"));
            match act.handle {
                Some(handle) => {
                    let verdict = match act.verdict.as_str() {
                        "continue" => String::new(),
                        verdict => format!(" -> {verdict}"),
                    };
                    out.push(format!(
                        "  {} {} {} {handle}{}{verdict}",
                        act.family,
                        act.table,
                        act.chain,
                        text.unwrap_or_default()
                    ));
                }
                None => out.push(format!("  {act}")),
            }
        }
        let oif = comparison
            .oif
            .as_ref()
            .map(|oif| format!(" by {oif}"))
            .unwrap_or_default();
        out.push(format!("=> {}{oif}", comparison.end));
        if comparison.agrees() {
            let unless = if comparison.uncertain {
                " (as one of its uncertain branches)"
            } else {
                ""
            };
            out.push(format!("the prediction is the same{unless}"));
        } else {
            out.push("THE PREDICTION DIFFERS:".to_owned());
            for difference in &comparison.differences {
                out.push(format!("  {difference}"));
            }
            out.push("  (--save-case FILE keeps everything that is needed to look into it)".into());
        }
        for what in &self.twin.not_copied {
            out.push(format!("not in the copy: {what}"));
        }
        out
    }

    /// Keep a case where the answers differ.
    pub fn save(
        &self,
        path: &Path,
        words: &Words<'_>,
        question: &Question,
        trace: &Trace,
        both: &Both,
    ) -> anyhow::Result<()> {
        let predicted = words.json(trace, question.iif.as_deref(), &Value::Null);
        let case = Case {
            program: env!("CARGO_PKG_VERSION").into(),
            options: options::text(question),
            frame: question.frame.clone().map(Into::into),
            payload: question.payload.clone().into(),
            predicted: predicted.to_string(),
            in_kernel: both.json.to_string(),
            snapshot: (**self.picture).clone(),
        };
        case::save(&case, path)
            .with_context(|| format!("cannot write the case '{}'", path.display()))
    }
}
