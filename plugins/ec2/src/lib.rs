//! Machines of Amazon EC2, by its Query API: forms go there, XML comes back.

mod query;

use std::collections::BTreeMap;

use query::{Query, call};
use runner_sdk::cloud::{Cloud, Found, Guest, Labels, Login, Machine, State, base64, pages};
use runner_sdk::{Context, Error, ErrorKind, Request, Result};

struct Ec2;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    location: String,
    image: String,
    image_owner: String,
    plan: String,
    storage: Option<u64>,
    subnet: Option<String>,
    security_groups: Vec<String>,
    private: bool,
    public_address: Option<bool>,
    profile: Option<String>,
    spot: bool,
    tags: BTreeMap<String, String>,
    key_id_secret: String,
    key_secret: String,
    session_secret: Option<String>,
    endpoint: Option<String>,
    port: u16,
    #[serde(flatten)]
    login: Login,
}

type Ctx = Context<Config>;

/// The states in which an instance can cost something.
const LIVING: [&str; 5] = ["pending", "running", "shutting-down", "stopping", "stopped"];

impl Cloud for Ec2 {
    type Config = Config;

    fn login(config: &Config) -> &Login {
        &config.login
    }

    fn create(ctx: &Ctx, request: &Request, guest: &Guest) -> Result<String> {
        let config = &ctx.config;
        let (image, disk) = image(config)?;
        let mut query = Query::new("RunInstances")
            .set("ImageId", image)
            .set("InstanceType", &config.plan)
            .set("MinCount", "1")
            .set("MaxCount", "1")
            // A request that arrives twice makes one.
            .set("ClientToken", &request.token)
            .set("UserData", base64(&guest.user_data))
            .set("InstanceInitiatedShutdownBehavior", "terminate")
            .set("MetadataOptions.HttpTokens", "required");
        let labels = Labels::of(ctx, request);
        let more = config
            .tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        // Ours come last: nobody takes an instance's token away by `tags`.
        let tags: BTreeMap<&str, &str> = more
            .chain([("Name", request.name.as_str())])
            .chain(labels.iter())
            .collect();
        for (place, resource) in ["instance", "volume"].iter().enumerate() {
            let specification = format!("TagSpecification.{}", place + 1);
            query = query.set(format!("{specification}.ResourceType"), *resource);
            for (number, (key, value)) in tags.iter().enumerate() {
                let tag = format!("{specification}.Tag.{}", number + 1);
                query = query
                    .set(format!("{tag}.Key"), *key)
                    .set(format!("{tag}.Value"), *value);
            }
        }
        // With a wish about its address the subnet and the groups are those of an interface, and else of the instance.
        let mut prefix = "";
        if let Some(public) = config.public_address {
            prefix = "NetworkInterface.1.";
            query = query.set(format!("{prefix}DeviceIndex"), "0").set(
                format!("{prefix}AssociatePublicIpAddress"),
                public.to_string(),
            );
        }
        if let Some(subnet) = &config.subnet {
            query = query.set(format!("{prefix}SubnetId"), subnet);
        }
        for (number, id) in config.security_groups.iter().enumerate() {
            query = query.set(format!("{prefix}SecurityGroupId.{}", number + 1), id);
        }
        if let Some(profile) = &config.profile {
            query = query.set("IamInstanceProfile.Name", profile);
        }
        if config.spot {
            query = query.set("InstanceMarketOptions.MarketType", "spot");
        }
        if let Some(size) = config.storage {
            query = query
                .set("BlockDeviceMapping.1.DeviceName", disk)
                .set("BlockDeviceMapping.1.Ebs.VolumeSize", size.to_string())
                .set("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true");
        }
        let answer = call(config, query)?;
        answer
            .text(&["instancesSet", "item", "instanceId"])
            .ok_or_else(|| Error::failed("the answer names no instance"))
    }

    fn look(ctx: &Ctx, id: &str) -> Result<Option<Machine>> {
        let answer = match call(
            &ctx.config,
            Query::new("DescribeInstances").set("InstanceId.1", id),
        ) {
            Err(error) if error.kind == ErrorKind::Gone => return Ok(None),
            answer => answer?,
        };
        let Some(instance) = answer
            .all(&["reservationSet", "item", "instancesSet", "item"])
            .pop()
        else {
            return Ok(None);
        };
        let reason = instance
            .text(&["stateReason", "message"])
            .unwrap_or_default();
        let state = match instance.text(&["instanceState", "name"]).as_deref() {
            Some("running") => State::Running,
            Some("shutting-down") => State::Ending,
            Some("terminated") => State::Ended,
            Some(word @ ("stopping" | "stopped")) => {
                State::Stopped(format!("{word} {reason}").trim_end().to_owned())
            }
            // `pending`, and what will be added.
            _ => State::Starting,
        };
        let address = instance.text(&[if ctx.config.private {
            "privateIpAddress"
        } else {
            "ipAddress"
        }]);
        let mut machine = Machine::new(state, address);
        for (name, path) in [
            ("type", ["instanceType"].as_slice()),
            ("zone", &["placement", "availabilityZone"]),
        ] {
            machine = instance
                .text(path)
                .into_iter()
                .fold(machine, |machine, text| machine.attribute(name, text));
        }
        Ok(Some(machine))
    }

    fn find(ctx: &Ctx, labels: &Labels) -> Result<Vec<Found>> {
        let mut filtered = Query::new("DescribeInstances")
            .set("MaxResults", "200")
            .set("Filter.1.Name", "instance-state-name");
        for (number, state) in LIVING.iter().enumerate() {
            filtered = filtered.set(format!("Filter.1.Value.{}", number + 1), *state);
        }
        for (number, (key, value)) in labels.iter().enumerate() {
            let filter = format!("Filter.{}", number + 2);
            filtered = filtered
                .set(format!("{filter}.Name"), format!("tag:{key}"))
                .set(format!("{filter}.Value.1"), value);
        }
        pages(|next: Option<&String>| {
            let query = next.iter().fold(filtered.clone(), |query, next| {
                query.set("NextToken", next.as_str())
            });
            let answer = call(&ctx.config, query)?;
            let instances = answer.all(&["reservationSet", "item", "instancesSet", "item"]);
            let found = instances.iter().filter_map(|instance| {
                let tags = instance.all(&["tagSet", "item"]);
                let token = tags
                    .iter()
                    .find(|tag| tag.text(&["key"]).as_deref() == Some(runner_sdk::cloud::TOKEN))?;
                Some(Found {
                    token: token.text(&["value"])?,
                    id: instance.text(&["instanceId"])?,
                })
            });
            Ok((found.collect(), answer.text(&["nextToken"])))
        })
    }

    fn delete(ctx: &Ctx, id: &str) -> Result<()> {
        call(
            &ctx.config,
            Query::new("TerminateInstances").set("InstanceId.1", id),
        )?;
        Ok(())
    }
}

/// The image's id, and the name of its root disk, which is asked for only when it is needed.
fn image(config: &Config) -> Result<(String, String)> {
    let named = !config.image.starts_with("ami-");
    if !named && config.storage.is_none() {
        return Ok((config.image.clone(), String::new()));
    }
    let query = Query::new("DescribeImages");
    let query = if named {
        let query = query
            .set("Owner.1", &config.image_owner)
            .set("Filter.1.Name", "name")
            .set("Filter.1.Value.1", &config.image);
        query
            .set("Filter.2.Name", "state")
            .set("Filter.2.Value.1", "available")
    } else {
        query.set("ImageId.1", &config.image)
    };
    let answer = call(config, query)?;
    let images = answer.all(&["imagesSet", "item"]);
    // Times of one form, which compare as they are written.
    let newest = images
        .into_iter()
        .max_by_key(|image| image.text(&["creationDate"]));
    let found = newest.and_then(|image| {
        Some((
            image.text(&["imageId"])?,
            image.text(&["rootDeviceName"]).unwrap_or_default(),
        ))
    });
    found.ok_or_else(|| {
        Error::invalid(format!(
            "there is no image `{}` in {}",
            config.image, config.location
        ))
        .remedy("check `image` and `image-owner`")
    })
}

runner_sdk::provider!(
    Ec2,
    manifest = "plugin.json",
    optional = [liveness, inventory]
);
